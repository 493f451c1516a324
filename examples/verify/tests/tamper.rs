//! Whatever is done to the file, the first bad sequence number and the class are named.

use bytes::Bytes;
use rusqlite::{Connection, params};
use striatum_core::{
    chain::{Position, Sealed},
    digest::Digest,
    time::Timestamp,
};

use crate::fixture::Site;

type Tampering = (&'static str, fn(&Connection), &'static str, u64);

const CASES: &[Tampering] = &[
    ("a flipped byte", |db| flip(db, 5), "chain_altered", 5),
    ("a flipped byte in the last event", |db| flip(db, last(db)), "chain_altered", u64::MAX),
    ("a swapped pair", swap, "chain_moved", 5),
    ("a dropped row", |db| drop_row(db, 5), "chain_missing", 5),
    ("the first row dropped", |db| drop_row(db, 1), "chain_missing", 1),
    ("a dropped row, the rest renumbered", |db| (drop_row(db, 5), shift(db, 5, -1)).0, "chain_moved", 5),
    ("an inserted row, sealed well, the rest renumbered", |db| insert(db, 5), "chain_moved", 6),
    ("an inserted row that is not sealed", insert_unsealed, "chain_altered", 5),
    ("an inserted row at the tail", |db| insert(db, last(db) + 1), "chain_head", u64::MAX),
    ("a replaced row, sealed well", |db| replace(db, 5), "chain_unlinked", 6),
    ("a changed genesis", |db| run(db, "UPDATE chains SET genesis = zeroblob(32)"), "chain_genesis", 0),
    ("a renamed chain", |db| run(db, "UPDATE chains SET name = 'other'"), "chain_genesis", 0),
    (
        "a changed time",
        |db| run(db, "UPDATE events SET at = at + 1 WHERE place = (1 << 40) + 5"),
        "chain_altered",
        5,
    ),
    ("a time before the last, sealed well", |db| reseal(db, 5, Some(1)), "chain_time", 5),
    (
        "a changed link",
        |db| run(db, "UPDATE events SET prev = digest WHERE place = (1 << 40) + 5"),
        "chain_altered",
        5,
    ),
    ("a dropped tail", |db| drop_row(db, last(db)), "chain_head", u64::MAX),
    ("a changed head", |db| run(db, "UPDATE chains SET head_digest = genesis"), "chain_head", u64::MAX),
    ("a head set back", |db| set_head(db, 5), "chain_head", 6),
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
        drop_row(db, last(db));
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

/// The key of an event of the first chain.
fn place(seq: u64) -> i64 {
    (1 << 40) + int(seq)
}

fn event(db: &Connection, seq: u64) -> Sealed {
    let sql = "SELECT seq, at, prev, digest, body FROM chain_events WHERE seq = ?1";
    db.query_row(sql, [int(seq)], |row| {
        Ok(Sealed {
            seq: row.get(0).map(uint)?,
            at: Timestamp::from_micros(row.get(1).map(uint)?),
            prev: Digest::from_bytes(row.get(2)?),
            digest: Digest::from_bytes(row.get(3)?),
            body: row.get::<_, Vec<u8>>(4)?.into(),
        })
    })
    .unwrap()
}

/// Every event, as long as nobody has renumbered them.
pub(crate) fn all(db: &Connection) -> Vec<Sealed> {
    (1..=last(db)).map(|seq| event(db, seq)).collect()
}

fn store(db: &Connection, seq: u64, event: &Sealed) {
    let sql = "UPDATE events SET at = ?2, prev = ?3, digest = ?4, body = ?5 WHERE place = ?1";
    let (prev, digest) = (event.prev.as_bytes(), event.digest.as_bytes());
    assert_eq!(
        db.execute(sql, params![place(seq), int(event.at.as_micros()), prev, digest, &event.body[..]])
            .unwrap(),
        1
    );
}

pub(crate) fn flip(db: &Connection, seq: u64) {
    let mut body = event(db, seq).body.to_vec();
    let middle = body.len() / 2;
    body[middle] ^= 1;
    db.execute("UPDATE events SET body = ?2 WHERE place = ?1", params![place(seq), body]).unwrap();
}

fn swap(db: &Connection) {
    for (from, to) in [(place(5), -1), (place(6), place(5)), (-1, place(6))] {
        db.execute("UPDATE events SET place = ?2 WHERE place = ?1", [from, to]).unwrap();
    }
}

fn drop_row(db: &Connection, seq: u64) {
    assert_eq!(db.execute("DELETE FROM events WHERE place = ?1", [place(seq)]).unwrap(), 1);
}

/// Renumbers what stands at `from` and later.
fn shift(db: &Connection, from: u64, by: i64) {
    db.execute("UPDATE events SET place = -(place + ?2) WHERE place >= ?1", params![place(from), by])
        .unwrap();
    db.execute("UPDATE events SET place = -place WHERE place < 0", []).unwrap();
}

/// Puts an event that follows the one before it at `seq`.
pub(crate) fn insert(db: &Connection, seq: u64) {
    let before = event(db, seq - 1);
    shift(db, seq, 1);
    add(db, &Sealed::seal(before.position(), before.at, Bytes::from_static(b"{}")));
}

fn insert_unsealed(db: &Connection) {
    let before = event(db, 4);
    shift(db, 5, 1);
    let sealed = Sealed::seal(before.position(), before.at, Bytes::from_static(b"{}"));
    add(db, &Sealed { digest: Digest::ZERO, ..sealed });
}

fn add(db: &Connection, event: &Sealed) {
    let sql =
        "INSERT INTO events (place, at, prev, digest, body, run, version) VALUES (?1, ?2, ?3, ?4, ?5, -1, 1)";
    let (prev, digest) = (event.prev.as_bytes(), event.digest.as_bytes());
    db.execute(sql, params![place(event.seq), int(event.at.as_micros()), prev, digest, &event.body[..]])
        .unwrap();
}

fn replace(db: &Connection, seq: u64) {
    let before = event(db, seq - 1);
    store(db, seq, &Sealed::seal(before.position(), before.at, Bytes::from_static(b"{}")));
}

/// Writes everything from `from` on anew, with another body, or another time, at `from`, and adjusts the head.
pub(crate) fn reseal(db: &Connection, from: u64, at: Option<u64>) {
    for seq in from..=last(db) {
        let (before, old) = (event(db, seq - 1), event(db, seq));
        let sealed = match at {
            Some(at) if seq == from => Sealed::seal(before.position(), Timestamp::from_micros(at), old.body),
            None if seq == from => Sealed::seal(before.position(), old.at, Bytes::from_static(b"{}")),
            _ => Sealed::seal(before.position(), old.at, old.body),
        };
        store(db, seq, &sealed);
    }
    set_head(db, last(db));
}

pub(crate) fn set_head(db: &Connection, seq: u64) {
    let Position { seq, digest } = event(db, seq).position();
    let sql = "UPDATE chains SET head_seq = ?1, head_digest = ?2";
    db.execute(sql, params![int(seq), digest.as_bytes()]).unwrap();
}
