//! How a run's events are found: by the first of each batch, in schemas of the version before too.

use std::fmt::Write as _;

use bytes::Bytes;
use striatum_core::{
    chain::{Position, Sealed},
    digest::Digest,
    store::{AppendError, RunHead, Store, StoreErrorKind},
    time::Timestamp,
};
use striatum_pg::{PgStore, SetupError};
use striatum_testkit::fixture::{Draft, run};

use crate::server::{self, OWNER, Schema, chain, verify};

const BEFORE: [(&str, &str); 3] = [
    ("tables", include_str!("../migrations/0001_tables.sql")),
    ("append", include_str!("../migrations/0002_append.sql")),
    ("queries", include_str!("../migrations/0003_queries.sql")),
];

/// A schema as the third version left it: two runs in turns, of four events each.
async fn write_old(schema: &Schema) -> Vec<Sealed> {
    let mut sql = format!("CREATE SCHEMA {};", schema.name);
    for (version, (name, text)) in (1..).zip(BEFORE) {
        let checksum = Digest::of(text.as_bytes());
        let stamp = format!("INSERT INTO migrations VALUES ({version}, '{name}', '\\x{checksum}', 0);");
        write!(sql, "{text};{stamp}").unwrap();
    }
    let genesis = Position::genesis(&chain());
    let (mut head, mut events) = (genesis, Vec::new());
    for n in 0..8_u8 {
        let event = Sealed::seal(head, Timestamp::from_micros(10), Bytes::from(format!("{{\"n\":{n}}}")));
        let Sealed { seq, prev, digest, .. } = &event;
        let (run, version, body) =
            (run(n % 2 + 1), n / 2 + 1, String::from_utf8(event.body.to_vec()).unwrap());
        write!(sql, "INSERT INTO events VALUES (1, {seq}, 10, {version}, '{run}', '\\x{prev}', '\\x{digest}', '{body}');")
            .unwrap();
        head = event.position();
        events.push(event);
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
async fn a_schema_of_the_version_before_is_read_verified_and_appended_to() {
    let Some(address) = server::address() else { return };
    let schema = Schema::empty(address).await;
    let events = write_old(&schema).await;
    let refused = PgStore::connect(&schema.config(OWNER)).await.unwrap_err();
    assert!(matches!(refused, SetupError::Older { found: 3, .. }), "{refused:?}");
    PgStore::migrate(&schema.config(OWNER)).await.unwrap();

    let store = schema.store().await;
    assert_eq!(verify(&store).await, events[7].position());
    let second: Vec<Sealed> = events.iter().skip(1).step_by(2).cloned().collect();
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

#[tokio::test]
async fn a_run_that_lacks_an_event_or_has_a_foreign_one_is_corrupt() {
    let Some((schema, store)) = three_batches().await else { return };
    let owner = schema.client(OWNER).await;
    let first = run(1);
    for change in [
        "DELETE FROM events WHERE run = $ AND version = 1",
        "DELETE FROM events WHERE run = $ AND version = 2",
        "DELETE FROM events WHERE run = $ AND version = 3",
        "DELETE FROM events WHERE run = $ AND version BETWEEN 4 AND 6",
        "DELETE FROM events WHERE run = $ AND version = 9",
        "UPDATE events SET run = gen_random_uuid() WHERE run = $ AND version = 5",
        "UPDATE events SET version = 7 WHERE run = $ AND version = 5",
        "UPDATE events SET size = 4 WHERE run = $ AND version = 4",
        "UPDATE events SET size = 2 WHERE run = $ AND version = 4",
    ] {
        let change = change.replace('$', &format!("'{first}'"));
        let damage = format!(
            "CREATE TABLE kept AS SELECT * FROM events; ALTER TABLE events DISABLE TRIGGER USER; {change}"
        );
        owner.batch_execute(&damage).await.unwrap();
        let error = store.read_run(&first, RunHead::START, 100).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{change}");
        let mend = "DELETE FROM events; INSERT INTO events SELECT * FROM kept; DROP TABLE kept";
        owner.batch_execute(mend).await.unwrap();
        assert_eq!(store.read_run(&first, RunHead::START, 100).await.unwrap().len(), 9);
    }
}

/// Behind the comparison of heads stand the keys of the table and of its batches.
#[tokio::test]
async fn the_table_takes_neither_an_event_nor_the_beginning_of_a_batch_twice() {
    let Some((schema, _)) = three_batches().await else { return };
    let owner = schema.client(OWNER).await;
    for (seq, version, refused) in [("seq", 99, true), ("seq + 99", 4, true), ("seq + 99", 99, false)] {
        let insert = format!(
            "INSERT INTO events SELECT chain, {seq}, at, {version}, run, prev, digest, body, size
             FROM events WHERE run = '{}' AND version = 4",
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
        "SELECT count(*) FROM run_events('{0}', 4, 3); SELECT run_digest('{0}', 5); SELECT FROM run_head('{0}')",
        run(1)
    );
    transaction.batch_execute(&read).await.unwrap();
    let count = "SELECT coalesce(seq_scan, 0) FROM pg_stat_xact_user_tables
                 WHERE relname = 'events' AND schemaname = current_schema()";
    assert_eq!(transaction.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 0);
    drop(store);
}
