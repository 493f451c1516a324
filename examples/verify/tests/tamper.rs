//! Whatever is done to the file, the first bad sequence number and the class are named.

use bytes::Bytes;
use rusqlite::{Connection, Params, Row, params};
use striatum_core::{
    chain::{Position, Sealed},
    digest::Digest,
    time::Timestamp,
};

use crate::fixture::Site;

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

type Tampering = (&'static str, fn(&Connection), &'static str, u64);

const CASES: &[Tampering] = &[
    ("a flipped byte", |db| flip(db, 5), "chain_altered", 5),
    ("a flipped byte in the last event", |db| flip(db, last(db)), "chain_altered", u64::MAX),
    ("a swapped pair", swap, "chain_moved", 5),
    ("a dropped event", |db| drop_event(db, 5), "chain_missing", 5),
    ("the first event dropped", |db| drop_event(db, 1), "chain_missing", 1),
    ("a dropped event, the rest renumbered", |db| (drop_event(db, 5), shift(db, 5, -1)).0, "chain_moved", 5),
    ("an inserted event, sealed well, the rest renumbered", |db| insert(db, 5), "chain_moved", 6),
    ("an inserted event that is not sealed", insert_unsealed, "chain_altered", 5),
    ("an inserted event at the tail", |db| insert(db, last(db) + 1), "chain_head", u64::MAX),
    ("a replaced event, sealed well", |db| replace(db, 5), "chain_unlinked", 6),
    ("a changed genesis", |db| run(db, "UPDATE chains SET genesis = zeroblob(32)"), "chain_genesis", 0),
    ("a renamed chain", |db| run(db, "UPDATE chains SET name = 'other'"), "chain_genesis", 0),
    ("a changed time", |db| change(db, 5, |event| event.at = event.at.after(SECOND)), "chain_altered", 5),
    ("a time before the last, sealed well", |db| reseal(db, 5, Some(1)), "chain_time", 5),
    ("a changed link", |db| change(db, 5, |event| event.prev = event.digest), "chain_altered", 5),
    ("a dropped tail", |db| drop_event(db, last(db)), "chain_head", u64::MAX),
    ("a changed head", |db| run(db, "UPDATE chains SET head_digest = genesis"), "chain_head", u64::MAX),
    ("a head set back", |db| set_head(db, 5), "chain_head", 6),
];

/// What somebody does who looks at rows and not at events. The row is one of three events or more.
const ROWS: &[(&str, &str, &str, u64)] = &[
    ("a dropped row", "DELETE FROM batches", "chain_missing", 0),
    ("a changed time", "UPDATE batches SET at = at + 1", "chain_altered", 0),
    ("a row moved to the end", "UPDATE batches SET place = place + 1000", "chain_missing", 0),
    ("a row moved to the front", "UPDATE batches SET place = (1 << 40)", "chain_missing", 0),
    ("a changed link", "UPDATE batches SET links = CAST(zeroblob(32) || substr(links, 33) AS BLOB)", "chain_altered", 0),
    (
        "a changed digest",
        "UPDATE batches SET links = CAST(substr(links, 1, 64) || zeroblob(32) || substr(links, 97) AS BLOB)",
        "chain_altered",
        1,
    ),
    (
        "a cut moved by one",
        "UPDATE batches SET cuts = printf('%05d', substr(cuts, 1, 5) + 1) || substr(cuts, 6)",
        "chain_altered",
        0,
    ),
    ("a byte behind the last", "UPDATE batches SET bodies = CAST(bodies || ' ' AS BLOB)", "chain_altered", LAST),
    ("a byte less", "UPDATE batches SET bodies = substr(bodies, 1, length(bodies) - 1)", "chain_altered", LAST),
    ("a shorter common beginning", "UPDATE batches SET trail = trail - 1", "chain_altered", 1),
    ("a longer common beginning", "UPDATE batches SET trail = trail + 1", "chain_altered", 1),
    (
        "the last event taken off",
        "UPDATE batches SET links = substr(links, 1, length(links) - 32), cuts = substr(cuts, 1, length(cuts) - 5),
                            bodies = substr(bodies, 1, substr(cuts, -5))",
        "chain_missing",
        LAST,
    ),
];

/// The last event of the row.
const LAST: u64 = u64::MAX;

/// What makes a row none.
const BROKEN: &[&str] = &[
    "UPDATE batches SET links = x''",
    "UPDATE batches SET links = substr(links, 1, 32)",
    "UPDATE batches SET links = substr(links, 1, length(links) - 1)",
    "UPDATE batches SET links = substr(links, 1, length(links) - 32)",
    "UPDATE batches SET links = CAST(links || links AS BLOB)",
    "UPDATE batches SET cuts = ''",
    "UPDATE batches SET cuts = substr(cuts, 2)",
    "UPDATE batches SET cuts = '99999' || substr(cuts, 6)",
    "UPDATE batches SET cuts = '  -10' || substr(cuts, 6)",
    "UPDATE batches SET bodies = x''",
    "UPDATE batches SET lead = lead - 1",
    "UPDATE batches SET lead = -1",
    "UPDATE batches SET trail = -1",
    "UPDATE batches SET trail = 99999",
    "UPDATE batches SET version = version + 1",
];

#[test]
fn every_tampering_is_named_with_its_class_and_the_first_bad_sequence_number() {
    for (name, change, class, seq) in CASES {
        let site = Site::new();
        let mut end = site.head.seq;
        site.tamper(|db| {
            change(db);
            end = end.max(last(db));
        });
        let answer = site.verify(&["--json"]);
        // The classes that are met at the end name the last event, where the head is, or the one behind it.
        let seq = if *seq == u64::MAX { end } else { *seq };
        assert_eq!(answer.code, Some(1), "{name}: {}", answer.said);
        assert_eq!(answer.fault(), Some(((*class).to_owned(), seq)), "{name}: {}", answer.said);
        assert_eq!(answer.json()["sound"], false, "{name}");
        assert!(answer.json().pointer("/chains/0/audit").unwrap().is_null(), "{name}");
    }
}

/// The first row with three events or more, and the number of its first and last.
pub(crate) fn long_row(db: &Connection) -> (i64, u64, u64) {
    let sql = "SELECT place, length(links) / 32 - 1 FROM batches WHERE length(links) > 96 AND place > (1 << 40) + 2 LIMIT 1";
    let (place, events): (i64, i64) = db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let first = uint(place - (1 << 40));
    (place, first, first + uint(events) - 1)
}

#[test]
fn what_is_done_to_a_row_is_named_by_the_first_event_that_it_harms() {
    for (name, change, class, event) in ROWS {
        let site = Site::new();
        let mut seq = 0;
        site.tamper(|db| {
            let (place, first, last) = long_row(db);
            seq = if *event == LAST { last } else { first + event };
            run(db, &format!("{change} WHERE place = {place}"));
        });
        let answer = site.verify(&["--json"]);
        assert_eq!(answer.code, Some(1), "{name}: {}", answer.said);
        assert_eq!(answer.fault(), Some(((*class).to_owned(), seq)), "{name}: {}", answer.said);
    }
}

#[test]
fn a_row_that_cannot_be_taken_apart_is_damage_and_its_first_event_is_named() {
    for change in BROKEN {
        let site = Site::new();
        let mut seq = 0;
        site.tamper(|db| {
            let (place, first, _) = long_row(db);
            seq = first;
            run(db, &format!("{change} WHERE place = {place}"));
        });
        let answer = site.verify(&["--json"]);
        let problem = &answer.json()["problem"];
        assert_eq!(
            (answer.code, &problem["code"]),
            (Some(2), &"store_corrupt".into()),
            "{change}: {}",
            answer.said
        );
        assert!(problem["message"].as_str().unwrap().contains(&format!("event {seq}")), "{problem}");
    }
}

#[test]
fn a_fault_is_explained_in_sentences() {
    let site = Site::new();
    site.tamper(|db| flip(db, 5));
    let answer = site.verify(&[]);
    assert_eq!(answer.code, Some(1));
    for part in [
        "First bad sequence number: 5 (chain_altered)",
        "That means:",
        "What to do: stop every program",
        "Events 1 to 4 are sound",
        "NOT SOUND",
    ] {
        assert!(answer.said.contains(part), "{part}: {}", answer.said);
    }
}

#[test]
fn a_sound_store_yields_a_head_that_is_met_later() {
    let site = Site::new();
    let answer = site.verify(&["--json"]);
    assert_eq!((answer.code, answer.fault()), (Some(0), None), "{}", answer.said);
    let json = answer.json();
    let chain = &json["chains"][0];
    assert_eq!(chain["head"], site.head.to_string());
    assert_eq!((&chain["events"], &chain["audit"]["runs"]), (&site.head.seq.into(), &2.into()));
    let text = site.verify(&[]).said;
    assert!(text.contains(&format!("--chain demo --expect {}", site.head)), "{text}");
    let met = site.verify(&["--expect", &site.head.to_string()]);
    assert_eq!(met.code, Some(0));
    assert!(met.said.contains("Expectation: met."), "{}", met.said);
}

#[test]
fn a_tail_that_was_dropped_with_its_head_is_seen_by_whoever_noted_the_head_down() {
    let site = Site::new();
    site.tamper(|db| {
        drop_event(db, last(db));
        set_head(db, last(db));
    });
    // The digests alone cannot know.
    assert_eq!(site.verify(&["--no-audit"]).code, Some(0));
    let answer = site.verify(&["--json", "--expect", &site.head.to_string()]);
    assert_eq!(answer.code, Some(1));
    assert_eq!(answer.fault(), Some(("chain_expectation".to_owned(), site.head.seq)));
}

#[test]
fn a_history_written_anew_is_seen_by_whoever_noted_a_head_down() {
    let site = Site::new();
    site.tamper(|db| reseal(db, 5, None));
    assert_eq!(site.verify(&["--no-audit"]).code, Some(0));
    let answer = site.verify(&["--json", "--expect", &site.head.to_string()]);
    assert_eq!(answer.code, Some(1));
    assert_eq!(answer.fault(), Some(("chain_expectation".to_owned(), site.head.seq)));
}

fn run(db: &Connection, sql: &str) {
    assert!(db.execute(sql, []).unwrap() > 0, "{sql}");
}

pub(crate) fn last(db: &Connection) -> u64 {
    db.query_row("SELECT max(seq) FROM chain_events", [], |row| row.get(0).map(uint)).unwrap()
}

/// SQLite's integers are signed.
fn int(value: u64) -> i64 {
    value.try_into().unwrap()
}

fn uint(value: i64) -> u64 {
    value.try_into().unwrap()
}

/// An event, and whose it is.
struct Placed {
    event: Sealed,
    run: i64,
    version: i64,
    /// Where its row begins.
    row: i64,
}

fn event(db: &Connection, seq: u64) -> Sealed {
    let mut events = read(db, "WHERE e.seq = ?1", [int(seq)]);
    events.remove(0).event
}

/// Every event, as long as nobody has renumbered them.
pub(crate) fn all(db: &Connection) -> Vec<Sealed> {
    read(db, "", []).into_iter().map(|placed| placed.event).collect()
}

fn read(db: &Connection, filter: &str, values: impl Params) -> Vec<Placed> {
    let sql = format!(
        "SELECT e.seq, e.at, e.prev, e.digest, e.body, b.run, b.version + (1 << 40) + e.seq - b.place, b.place
         FROM chain_events e JOIN batches b ON b.place = e.place {filter} ORDER BY e.place, e.seq"
    );
    let mut select = db.prepare(&sql).unwrap();
    let placed = |row: &Row<'_>| {
        let event = Sealed {
            seq: row.get(0).map(uint)?,
            at: Timestamp::from_micros(row.get(1).map(uint)?),
            prev: Digest::from_bytes(row.get(2)?),
            digest: Digest::from_bytes(row.get(3)?),
            body: row.get::<_, Vec<u8>>(4)?.into(),
        };
        Ok(Placed { event, run: row.get(5)?, version: row.get(6)?, row: row.get(7)? })
    };
    select.query_map(values, placed).unwrap().map(Result::unwrap).collect()
}

/// Writes all rows anew behind a change of their events. Events of a row stay in it, as far as it has room for what they are now.
fn edit(db: &Connection, change: impl FnOnce(&mut Vec<Placed>)) {
    let mut events = read(db, "", []);
    change(&mut events);
    events.sort_by_key(|placed| placed.event.seq);
    db.execute("DELETE FROM batches", []).unwrap();
    let fits = |before: &Placed, placed: &Placed| {
        let (last, event) = (&before.event, &placed.event);
        (before.row, last.seq + 1, last.at, last.digest) == (placed.row, event.seq, event.at, event.prev)
    };
    for row in events.chunk_by(fits) {
        let Placed { event: Sealed { seq, at, prev, .. }, run, version, .. } = &row[0];
        let (mut links, mut cuts, mut bodies) = (prev.as_bytes().to_vec(), String::new(), Vec::new());
        for (nth, Placed { event, .. }) in row.iter().enumerate() {
            if nth > 0 {
                cuts.push_str(&format!("{:05}", bodies.len()));
            }
            links.extend(event.digest.as_bytes());
            bodies.extend(&event.body);
        }
        let values = params![(1 << 40) + int(*seq), int(at.as_micros()), run, version, links, cuts, bodies];
        let insert = "INSERT INTO batches (place, at, run, version, links, cuts, bodies) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        db.execute(insert, values).unwrap();
    }
}

/// Changes one event.
fn change(db: &Connection, seq: u64, change: impl Fn(&mut Sealed)) {
    edit(db, |events| {
        let found = events.iter_mut().find(|placed| placed.event.seq == seq);
        change(&mut found.unwrap().event);
    });
}

pub(crate) fn flip(db: &Connection, seq: u64) {
    change(db, seq, |event| {
        let mut body = event.body.to_vec();
        let middle = body.len() / 2;
        body[middle] ^= 1;
        event.body = body.into();
    });
}

fn swap(db: &Connection) {
    edit(db, |events| {
        for placed in events {
            match placed.event.seq {
                5 => placed.event.seq = 6,
                6 => placed.event.seq = 5,
                _ => {}
            }
        }
    });
}

fn drop_event(db: &Connection, seq: u64) {
    edit(db, |events| events.retain(|placed| placed.event.seq != seq));
}

/// Renumbers what stands at `from` and later.
fn shift(db: &Connection, from: u64, by: i64) {
    edit(db, |events| {
        for Placed { event, .. } in events.iter_mut().filter(|placed| placed.event.seq >= from) {
            event.seq = event.seq.checked_add_signed(by).unwrap();
        }
    });
}

/// Puts an event that follows the one before it at `seq`.
pub(crate) fn insert(db: &Connection, seq: u64) {
    let before = event(db, seq - 1);
    shift(db, seq, 1);
    add(db, Sealed::seal(before.position(), before.at, Bytes::from_static(b"{}")));
}

fn insert_unsealed(db: &Connection) {
    let before = event(db, 4);
    shift(db, 5, 1);
    let sealed = Sealed::seal(before.position(), before.at, Bytes::from_static(b"{}"));
    add(db, Sealed { digest: Digest::ZERO, ..sealed });
}

fn add(db: &Connection, event: Sealed) {
    edit(db, |events| events.push(Placed { event, run: -1, version: 1, row: -1 }));
}

fn replace(db: &Connection, seq: u64) {
    let before = event(db, seq - 1);
    change(db, seq, |event| *event = Sealed::seal(before.position(), before.at, Bytes::from_static(b"{}")));
}

/// Writes everything from `from` on anew, with another body, or another time, at `from`, and adjusts the head.
pub(crate) fn reseal(db: &Connection, from: u64, at: Option<u64>) {
    edit(db, |events| {
        let mut before = events[usize::try_from(from - 2).unwrap()].event.position();
        for Placed { event, .. } in events.iter_mut().filter(|placed| placed.event.seq >= from) {
            let (mut body, mut time) = (event.body.clone(), event.at);
            if event.seq == from {
                match at {
                    Some(at) => time = Timestamp::from_micros(at),
                    None => body = Bytes::from_static(b"{}"),
                }
            }
            *event = Sealed::seal(before, time, body);
            before = event.position();
        }
    });
    set_head(db, last(db));
}

pub(crate) fn set_head(db: &Connection, seq: u64) {
    let Position { seq, digest } = event(db, seq).position();
    let sql = "UPDATE chains SET head_seq = ?1, head_digest = ?2";
    db.execute(sql, params![int(seq), digest.as_bytes()]).unwrap();
}
