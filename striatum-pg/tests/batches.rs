//! Rows of batches: how they are taken apart, what is found to be wrong with them, and how schemas of earlier versions get them.

use std::fmt::Write as _;

use bytes::Bytes;
use striatum_core::{
    chain::{Position, Sealed},
    digest::Digest,
    store::{AppendError, RunHead, Store, StoreErrorKind, StoreExt},
    time::Timestamp,
};
use striatum_pg::{PgStore, SetupError};
use striatum_testkit::fixture::{Draft, run};

use crate::server::{self, OWNER, RUNTIME, Schema, chain, verify};

const MIGRATIONS: [(&str, &str); 5] = [
    ("tables", include_str!("../migrations/0001_tables.sql")),
    ("append", include_str!("../migrations/0002_append.sql")),
    ("queries", include_str!("../migrations/0003_queries.sql")),
    ("batches", include_str!("../migrations/0004_batches.sql")),
    ("plans", include_str!("../migrations/0005_plans.sql")),
];

/// A schema as this version left it, with these batches, each of a run and with so many events.
async fn write_old(schema: &Schema, version: usize, batches: &[(u8, usize)]) -> Vec<Sealed> {
    let mut sql = format!("CREATE SCHEMA {};", schema.name);
    for (version, (name, text)) in (1..).zip(&MIGRATIONS[..version]) {
        let checksum = Digest::of(text.as_bytes());
        let stamp = format!("INSERT INTO migrations VALUES ({version}, '{name}', '\\x{checksum}', 0);");
        write!(sql, "{text};{stamp}").unwrap();
    }
    let genesis = Position::genesis(&chain());
    let (mut head, mut events, mut versions) = (genesis, Vec::new(), [0; 3]);
    for (number, size) in batches {
        for nth in 0..*size {
            let body = format!("{{\"n\":{}}}", events.len());
            let event = Sealed::seal(head, Timestamp::from_micros(10), Bytes::from(body.clone()));
            let Sealed { seq, prev, digest, .. } = &event;
            let run = run(*number);
            let place = &mut versions[usize::from(*number)];
            *place += 1;
            let size = match (version, nth) {
                (..4, _) => String::new(),
                (_, 0) => format!(", {size}"),
                _ => ", NULL".to_owned(),
            };
            write!(sql, "INSERT INTO events VALUES (1, {seq}, 10, {place}, '{run}', '\\x{prev}', '\\x{digest}', '{body}'{size});")
                .unwrap();
            head = event.position();
            events.push(event);
        }
    }
    let Position { seq, digest } = head;
    write!(
        sql,
        "INSERT INTO chains (name, label, genesis, head_seq, head_digest, head_at)
             VALUES ('main', '', '\\x{}', {seq}, '\\x{digest}', 10)",
        genesis.digest
    )
    .unwrap();
    schema.client(OWNER).await.batch_execute(&sql).await.unwrap();
    events
}

#[tokio::test]
async fn a_schema_of_an_earlier_version_is_read_verified_and_appended_to() {
    let Some(address) = server::address() else { return };
    let batches = [(1, 3), (2, 1), (2, 2), (1, 1), (2, 1)];
    for version in [3, 5] {
        let schema = Schema::empty(address).await;
        let events = write_old(&schema, version, &batches).await;
        let refused = PgStore::connect(&schema.config(OWNER)).await.unwrap_err();
        assert!(matches!(refused, SetupError::Older { found, .. } if found == version), "{refused:?}");
        PgStore::migrate(&schema.config(OWNER)).await.unwrap();

        let store = schema.store().await;
        assert_eq!(verify(&store).await, events[7].position());
        assert_eq!(store.read(&chain(), Position::genesis(&chain()), 100).await.unwrap(), events);
        let second: Vec<Sealed> = [3, 4, 5, 7].map(|place: usize| events[place].clone()).into();
        assert_eq!(store.read_run(&run(2), RunHead::START, 10).await.unwrap(), second);
        let head = |version: usize| RunHead { version: version as u64, digest: second[version - 1].digest };
        assert_eq!(store.read_run(&run(2), head(1), 2).await.unwrap(), second[1..3]);

        // The index of that schema was dropped, which no append may take for a run that has not begun.
        let late = Draft::new(&chain(), run(2), RunHead::START).batch();
        assert!(matches!(store.append(&late).await, Err(AppendError::Conflict)));
        let appended = store.append(&Draft::new(&chain(), run(2), head(4)).events(3).batch()).await.unwrap();
        assert_eq!(appended.version, 7);
        let newest = store.read_run(&run(2), head(3), 10).await.unwrap();
        assert_eq!(newest.iter().map(|event| event.seq).collect::<Vec<_>>(), [8, 9, 10, 11]);
        assert_eq!(verify(&store).await.seq, 11);
    }
}

/// A migration neither mends nor hides what somebody has done to the events before it.
#[tokio::test]
async fn what_is_wrong_with_events_is_still_wrong_when_they_are_batches() {
    let Some(address) = server::address() else { return };
    for (change, is_whole) in [
        ("DELETE FROM events WHERE seq = 1", false),
        ("DELETE FROM events WHERE seq = 2", false),
        ("DELETE FROM events WHERE seq = 3", false),
        ("DELETE FROM events WHERE seq = 8", false),
        ("UPDATE events SET run = gen_random_uuid() WHERE seq = 2", false),
        ("UPDATE events SET version = 9 WHERE seq = 2", false),
        ("UPDATE events SET at = at + 1 WHERE seq = 2", false),
        ("UPDATE events SET prev = digest WHERE seq = 2", false),
        ("UPDATE events SET digest = body WHERE seq = 2", false),
        ("UPDATE events SET size = 2 WHERE seq = 1", false),
        ("UPDATE events SET size = size WHERE seq = 1", true),
    ] {
        let schema = Schema::empty(address).await;
        write_old(&schema, 5, &[(1, 3), (2, 3), (1, 2)]).await;
        let owner = schema.client(OWNER).await;
        let keep = format!(
            "ALTER TABLE events DISABLE TRIGGER USER; {change}; CREATE TABLE kept AS SELECT * FROM chain_events"
        );
        owner.batch_execute(&keep).await.unwrap();
        PgStore::migrate(&schema.config(OWNER)).await.unwrap();

        let lost = "SELECT count(*) FROM (SELECT * FROM kept EXCEPT ALL
                    SELECT chain, seq, at, prev, digest, body FROM chain_events WHERE length(digest) = 32) AS lost";
        let lost: i64 = owner.query_one(lost, &[]).await.unwrap().get(0);
        let has_digests = !change.contains("digest = body");
        assert!(lost == 0 || !has_digests, "{change}: {lost}");
        let store = schema.store().await;
        let read = store.read_run(&run(1), RunHead::START, 100).await;
        assert_eq!(
            read.as_ref().err().map(|error| error.kind()),
            (!is_whole).then_some(StoreErrorKind::Corrupt),
            "{change}"
        );
        assert_eq!(store.read_run(&run(2), RunHead::START, 100).await.unwrap().len(), 3, "{change}");
        let found = store.verify(&chain(), None, |_| {}).await;
        assert_eq!(
            found.is_ok(),
            is_whole || change.contains("size") || change.contains("run") || change.contains("version"),
            "{change}: {found:?}"
        );
    }
}

/// Three batches of the first run with three events each, and one of another behind the first of them.
async fn three_batches() -> Option<(Schema, PgStore)> {
    let schema = Schema::new().await?;
    let store = schema.store().await;
    let append = async |n: u8, head: RunHead, events: u64| {
        store.append(&Draft::new(&chain(), run(n), head).events(events).batch()).await.unwrap()
    };
    let head = append(1, RunHead::START, 3).await;
    append(2, RunHead::START, 2).await;
    let head = append(1, head, 3).await;
    append(1, head, 3).await;
    Some((schema, store))
}

#[tokio::test]
async fn a_run_is_read_from_and_up_to_any_of_its_events() {
    let Some((_, store)) = three_batches().await else { return };
    let all = store.read_run(&run(1), RunHead::START, 100).await.unwrap();
    assert_eq!(all.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 6, 7, 8, 9, 10, 11]);
    for from in 0..=all.len() {
        let version = from as u64;
        let digest = from.checked_sub(1).map_or(Digest::ZERO, |last| all[last].digest);
        for limit in 0..=all.len() {
            let read = store.read_run(&run(1), RunHead { version, digest }, limit).await.unwrap();
            assert_eq!(read, all[from..all.len().min(from + limit)], "{limit} behind {from}");
        }
    }
}

/// A verifier in another language reads the view.
#[tokio::test]
async fn the_view_shows_what_the_store_reads() {
    let Some((schema, store)) = three_batches().await else { return };
    let all = store.read(&chain(), Position::genesis(&chain()), 100).await.unwrap();
    assert_eq!(all.len(), 11);
    for from in 0..all.len() {
        for limit in 0..all.len() {
            let read = store.read(&chain(), all[from].position(), limit).await.unwrap();
            assert_eq!(read, all[from + 1..all.len().min(from + 1 + limit)], "{limit} behind {from}");
        }
    }
    let client = schema.client(RUNTIME).await;
    let select = "SELECT seq, at, prev, digest, body FROM chain_events WHERE chain = 'main' ORDER BY seq";
    let rows = client.query(select, &[]).await.unwrap();
    let uint = |value: i64| u64::try_from(value).unwrap();
    let digest = |bytes: &[u8]| Digest::from_bytes(bytes.try_into().unwrap());
    let seen = rows.iter().map(|row| Sealed {
        seq: uint(row.get(0)),
        at: Timestamp::from_micros(uint(row.get(1))),
        prev: digest(row.get(2)),
        digest: digest(row.get(3)),
        body: Bytes::copy_from_slice(row.get(4)),
    });
    assert_eq!(seen.collect::<Vec<_>>(), all);
}

/// What a verifier is to find wrong must not look like the end.
#[tokio::test]
async fn a_reader_goes_on_behind_what_lacks() {
    let Some((schema, store)) = three_batches().await else { return };
    let damage = "ALTER TABLE batches DISABLE TRIGGER USER; DELETE FROM batches WHERE seq = 1";
    schema.client(OWNER).await.batch_execute(damage).await.unwrap();
    let read = store.read(&chain(), Position::genesis(&chain()), 1).await.unwrap();
    assert_eq!(read.iter().map(|event| event.seq).collect::<Vec<_>>(), [4]);
}

#[tokio::test]
async fn a_run_that_lacks_an_event_or_has_a_foreign_one_is_corrupt() {
    let Some((schema, store)) = three_batches().await else { return };
    let owner = schema.client(OWNER).await;
    let first = run(1);
    for change in [
        "DELETE FROM batches WHERE run = $ AND version = 1",
        "DELETE FROM batches WHERE run = $ AND version = 4",
        "UPDATE batches SET run = gen_random_uuid() WHERE run = $ AND version = 4",
        "UPDATE batches SET version = 5 WHERE run = $ AND version = 4",
        "UPDATE batches SET version = 3 WHERE run = $ AND version = 4",
        "UPDATE batches SET size = 4 WHERE run = $ AND version = 4",
        "UPDATE batches SET size = 2 WHERE run = $ AND version = 4",
        "UPDATE batches SET size = 0 WHERE run = $ AND version = 4",
        "UPDATE batches SET size = -1 WHERE run = $ AND version = 4",
        "UPDATE batches SET digests = substr(digests, 33) WHERE run = $ AND version = 7",
        "UPDATE batches SET digests = substr(digests, 2) WHERE run = $ AND version = 4",
        "UPDATE batches SET digests = substr(digests, 33) || substr(digests, 1, 32) WHERE run = $ AND version = 4",
        "UPDATE batches SET ends = '{}' WHERE run = $ AND version = 4",
        "UPDATE batches SET ends = ends[1:2] WHERE run = $ AND version = 7",
        "UPDATE batches SET ends[2] = ends[3] + 1 WHERE run = $ AND version = 4",
        "UPDATE batches SET ends[2] = ends[2] + 1 WHERE run = $ AND version = 4",
        "UPDATE batches SET ends[1] = -1 WHERE run = $ AND version = 4",
        "UPDATE batches SET ends[2] = NULL WHERE run = $ AND version = 4",
        "UPDATE batches SET ends = ARRAY[ends, ends] WHERE run = $ AND version = 4",
        "UPDATE batches SET bodies = '' WHERE run = $ AND version = 4",
        "UPDATE batches SET bodies = bodies || '!' WHERE run = $ AND version = 4",
        "UPDATE batches SET bodies = set_byte(bodies, 0, 0) WHERE run = $ AND version = 4",
    ] {
        let change = change.replace('$', &format!("'{first}'"));
        let damage = format!(
            "CREATE TABLE kept AS SELECT * FROM batches; ALTER TABLE batches DISABLE TRIGGER USER; {change}"
        );
        owner.batch_execute(&damage).await.unwrap();
        let error = store.read_run(&first, RunHead::START, 100).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{change}");
        let mend = "DELETE FROM batches; INSERT INTO batches SELECT * FROM kept; DROP TABLE kept";
        owner.batch_execute(mend).await.unwrap();
        assert_eq!(store.read_run(&first, RunHead::START, 100).await.unwrap().len(), 9);
    }
}

/// Behind the comparison of heads stand the keys of the table.
#[tokio::test]
async fn the_table_takes_no_place_twice() {
    let Some((schema, _)) = three_batches().await else { return };
    let owner = schema.client(OWNER).await;
    for (seq, version, refused) in [("seq", 99, true), ("seq + 99", 4, true), ("seq + 99", 99, false)] {
        let insert = format!(
            "INSERT INTO batches SELECT chain, {seq}, at, run, {version}, size, prev, digests, ends, bodies
             FROM batches WHERE run = '{}' AND version = 4",
            run(1)
        );
        let answer = owner.batch_execute(&insert).await;
        let state = answer.as_ref().err().and_then(|error| error.code()).map(|state| state.code());
        assert_eq!(state, refused.then_some("23505"), "{seq} {version}: {answer:?}");
    }
}

/// However long the history is, a run is found by its batches, and read without touching others.
#[tokio::test]
async fn reading_a_run_scans_no_table() {
    let Some((schema, store)) = three_batches().await else { return };
    let mut owner = schema.client(OWNER).await;
    let transaction = owner.transaction().await.unwrap();
    let read = format!(
        "SELECT count(*) FROM run_batches('{0}', 4, 3); SELECT run_digest('{0}', 5); SELECT FROM run_head('{0}')",
        run(1)
    );
    transaction.batch_execute(&read).await.unwrap();
    let count = "SELECT coalesce(seq_scan, 0) FROM pg_stat_xact_user_tables
                 WHERE relname = 'batches' AND schemaname = current_schema()";
    assert_eq!(transaction.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 0);
    drop(store);
}
