//! A row of the table of batches: events of one run that stand one behind the other, in their run as in their chain.
//!
//! A batch is one row, unless it is long: no row begins another event once it has [`MOST_EVENTS`], or [`FULL_BYTES`] of bodies. So
//! whoever reads one event reads little else, however long its batch is.

use std::ops::Range;

use bytes::Bytes;
use itoa::Buffer;
use rusqlite::Row;
use striatum_core::{
    chain::{Position, Sealed},
    digest::Digest,
    store::RunHead,
    time::Timestamp,
};

use crate::{error::Fault, opening::Opening, row};

/// As many numbers stand in the table of which the view takes rows apart.
const MOST_EVENTS: usize = 64;

/// With the largest body behind so many bytes a cut still has its five digits.
const FULL_BYTES: usize = 32 << 10;

const DIGEST: usize = 32;
const DIGITS: usize = 5;

/// How many bits of a place are the number of the event. The others number the chain.
const BITS: u32 = 40;

/// Where an event stands in the file. Numbers that no event can have stand nowhere.
pub(crate) fn place(chain: i64, seq: u64) -> Option<i64> {
    let seq = i64::try_from(seq).ok().filter(|seq| *seq < 1 << BITS)?;
    Some(beginning(chain)? | seq)
}

/// Where a chain begins: before its first event, and behind the last of the chain before.
fn beginning(chain: i64) -> Option<i64> {
    (0..1 << (i64::BITS - 1 - BITS)).contains(&chain).then_some(chain << BITS)
}

/// The largest number that an event can have in its chain.
pub(crate) const LAST: u64 = (1 << BITS) - 1;

/// Events on their way into a row.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    opening: Opening,
    version: u64,
    pub(crate) links: Vec<u8>,
    pub(crate) cuts: String,
    pub(crate) bodies: Vec<u8>,
}

impl Draft {
    /// How many events it has.
    pub(crate) fn len(&self) -> usize {
        (self.links.len() / DIGEST).saturating_sub(1)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Whether the next event begins another row.
    pub(crate) fn is_full(&self) -> bool {
        self.bodies.len() >= FULL_BYTES || self.len() >= MOST_EVENTS
    }

    /// Begins with an event of that number in its run. Its body is the first of these, all of which may follow.
    pub(crate) fn begin<'b>(&mut self, version: u64, bodies: impl Iterator<Item = &'b [u8]> + Clone) {
        self.version = version;
        self.opening = Opening::of(version, bodies.take(MOST_EVENTS));
    }

    /// Adds the event that follows.
    pub(crate) fn push(&mut self, prev: &Digest, digest: &Digest, body: &[u8]) {
        let mut shared = 0;
        if self.is_empty() {
            self.links.extend_from_slice(prev.as_bytes());
        } else {
            shared = self.opening.len(self.version + self.len() as u64);
            let digit = |unit| char::from_digit(((self.bodies.len() / unit) % 10) as u32, 10).unwrap_or('0');
            self.cuts.extend([10_000, 1_000, 100, 10, 1].map(digit));
        }
        self.links.extend_from_slice(digest.as_bytes());
        self.bodies.extend_from_slice(&body[shared..]);
    }

    /// What its bodies share. One by itself shares nothing.
    pub(crate) fn opening(&self) -> Opening {
        if self.len() > 1 { self.opening } else { Opening::default() }
    }

    pub(crate) fn clear(&mut self) {
        self.links.clear();
        self.cuts.clear();
        self.bodies.clear();
    }
}

/// A row as it is stored. That it holds together is known; what its events say is not.
#[derive(Debug)]
pub(crate) struct Stretch<'r> {
    /// Where its first event stands.
    pub(crate) place: i64,
    at: Timestamp,
    /// The number of its first event in the run.
    pub(crate) version: u64,
    /// The digest before the first event, then that of each.
    links: &'r [[u8; DIGEST]],
    bodies: &'r [u8],
    /// Where each body begins, and where the last ends.
    bounds: Vec<usize>,
    opening: Opening,
    /// What stands before and behind the number of each.
    parts: [&'r [u8]; 2],
}

impl<'r> Stretch<'r> {
    /// Reads `place, at, version, links, cuts, bodies, lead, trail`.
    pub(crate) fn of(row: &'r Row<'_>) -> Result<Self, Fault> {
        let (place, at, version) = (row.get(0)?, row::time(row, 1)?, row::uint(row, 2)?);
        let bytes = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_bytes()?);
        let (links, cuts, bodies) = (bytes(3)?, bytes(4)?, bytes(5)?);
        let size = |column| Ok::<_, rusqlite::Error>(usize::try_from(row.get::<_, i64>(column)?).ok());
        let opening = size(6)?.zip(size(7)?).map(|(lead, trail)| Opening { lead, trail });
        let whole = || {
            let ((links, []), bounds, opening) = (links.as_chunks(), bounds(cuts, bodies.len())?, opening?)
            else {
                return None;
            };
            let parts = opening.parts(&bodies[..bounds[1]], version)?;
            let shares = bounds.len() > 2 || opening == Opening::default();
            (shares && links.len() == bounds.len()).then_some(Self {
                place,
                at,
                version,
                links,
                bodies,
                bounds,
                opening,
                parts,
            })
        };
        whole().ok_or_else(|| {
            Fault::corrupt(format!("the row that begins with event {} does not hold together", seq(place)))
        })
    }

    /// How many events it has, at least one.
    pub(crate) fn len(&self) -> usize {
        self.bounds.len() - 1
    }

    /// Where the event stands that follows its last.
    pub(crate) fn end(&self) -> i64 {
        self.place.saturating_add(row::limit(self.len()))
    }

    /// The number of its chain.
    pub(crate) fn chain(&self) -> i64 {
        self.place >> BITS
    }

    /// The digest of one of its events, from 0.
    pub(crate) fn digest(&self, event: usize) -> Option<Digest> {
        self.links.get(event.saturating_add(1)).copied().map(Digest::from_bytes)
    }

    /// The head of a chain that ends with it.
    pub(crate) fn position(&self) -> Position {
        Position { seq: seq(self.end() - 1), digest: self.last() }
    }

    /// The head of a run that ends with it.
    pub(crate) fn head(&self) -> RunHead {
        RunHead { version: self.version + self.len() as u64 - 1, digest: self.last() }
    }

    fn last(&self) -> Digest {
        self.links.last().copied().map_or(Digest::ZERO, Digest::from_bytes)
    }

    /// Its events behind the first `skip`, as many as are wanted.
    pub(crate) fn events(&self, skip: usize, limit: usize) -> impl Iterator<Item = Sealed> {
        let until = skip.saturating_add(limit).min(self.len());
        let skip = skip.min(until);
        // One piece of memory for all that is wanted of the row, and nothing else of it.
        let mut bodies = Bytes::from(self.bodies(skip..until));
        (skip..until).map(move |event| Sealed {
            seq: seq(self.place) + event as u64,
            at: self.at,
            prev: Digest::from_bytes(self.links[event]),
            digest: Digest::from_bytes(self.links[event + 1]),
            body: bodies.split_to(self.shared(event) + self.bounds[event + 1] - self.bounds[event]),
        })
    }

    /// The bodies of some events, one behind the other.
    fn bodies(&self, events: Range<usize>) -> Vec<u8> {
        let shared: usize = events.clone().map(|event| self.shared(event)).sum();
        let mut bodies = Vec::with_capacity(shared + self.bounds[events.end] - self.bounds[events.start]);
        let [before, behind] = self.parts;
        for event in events {
            if self.shared(event) > 0 {
                bodies.extend_from_slice(before);
                bodies.extend_from_slice(Buffer::new().format(self.version + event as u64).as_bytes());
                bodies.extend_from_slice(behind);
            }
            bodies.extend_from_slice(&self.bodies[self.bounds[event]..self.bounds[event + 1]]);
        }
        bodies
    }

    /// How many bytes of an event's body stand in the first one's.
    fn shared(&self, event: usize) -> usize {
        if event > 0 { self.opening.len(self.version + event as u64) } else { 0 }
    }
}

/// The number in its chain of an event that stands there.
fn seq(place: i64) -> u64 {
    place.unsigned_abs() & ((1 << BITS) - 1)
}

/// Where each body begins and the last one ends, if the cuts are numbers that only grow and lie within the bodies.
fn bounds(cuts: &[u8], bodies: usize) -> Option<Vec<usize>> {
    let (cuts, []) = cuts.as_chunks::<DIGITS>() else { return None };
    let mut bounds = Vec::with_capacity(cuts.len() + 2);
    bounds.push(0);
    for cut in cuts {
        let digit = |number, digit: &u8| Some(number * 10 + char::from(*digit).to_digit(10)? as usize);
        bounds.push(cut.iter().try_fold(0, digit)?);
    }
    bounds.push(bodies);
    bounds.is_sorted().then_some(bounds)
}

#[cfg(test)]
mod tests {
    use striatum_core::store::StoreErrorKind;

    use super::*;

    fn draft(sizes: &[usize]) -> (Draft, Vec<Sealed>) {
        let (mut draft, mut events) = (Draft::default(), Vec::new());
        let mut head = Position { seq: 6, digest: Digest::of(b"before") };
        for (size, fill) in sizes.iter().zip(1..) {
            let event = Sealed::seal(head, Timestamp::from_micros(9), Bytes::from(vec![fill; *size]));
            head = event.position();
            draft.push(&event.prev, &event.digest, &event.body);
            events.push(event);
        }
        (draft, events)
    }

    /// Reads what a row with these values would give.
    fn read<T>(draft: &Draft, read: impl FnOnce(Result<Stretch<'_>, Fault>) -> T) -> T {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        let mut select = db.prepare("SELECT ?1, 9, 3, ?2, ?3, ?4, ?5, ?6").unwrap();
        let Opening { lead, trail } = draft.opening();
        let place = place(2, 7);
        let values = (place, &draft.links, &draft.cuts, &draft.bodies, lead as i64, trail as i64);
        let mut rows = select.query(values).unwrap();
        read(Stretch::of(rows.next().unwrap().unwrap()))
    }

    #[test]
    fn events_come_out_as_they_went_in_whichever_are_wanted() {
        for sizes in [&[5][..], &[0], &[3, 0, 4], &[0, 0, 0], &[32_767, 65_536], &[1; 64]] {
            let (draft, events) = draft(sizes);
            read(&draft, |stretch| {
                let stretch = stretch.unwrap();
                assert_eq!(
                    (stretch.len(), stretch.end()),
                    (events.len(), place(2, 7).unwrap() + stretch.len() as i64)
                );
                assert_eq!(stretch.position(), events[events.len() - 1].position());
                assert_eq!(stretch.head().version, 2 + events.len() as u64);
                for skip in 0..=events.len() + 1 {
                    for limit in [0, 1, 2, usize::MAX] {
                        let wanted: Vec<_> = events.iter().skip(skip).take(limit).cloned().collect();
                        assert_eq!(stretch.events(skip, limit).collect::<Vec<_>>(), wanted);
                    }
                    assert_eq!(stretch.digest(skip), events.get(skip).map(|event| event.digest));
                }
            });
        }
    }

    #[test]
    fn a_row_is_full_before_a_cut_needs_more_digits_than_it_has() {
        let (mut draft, _) = draft(&[1; 63]);
        assert!(!draft.is_full());
        draft.push(&Digest::ZERO, &Digest::ZERO, &[]);
        assert!(draft.is_full());
        let (draft, _) = super::tests::draft(&[FULL_BYTES - 1]);
        assert!(!draft.is_full());
        let (draft, _) = super::tests::draft(&[FULL_BYTES - 1, striatum_core::store::MAX_BODY_BYTES]);
        assert!(draft.is_full() && draft.bodies.len() < 100_000);
    }

    #[test]
    fn a_row_that_does_not_hold_together_is_corrupt() {
        let changes: [fn(&mut Draft); 13] = [
            |draft| draft.links.clear(),
            |draft| draft.links.truncate(32),
            |draft| draft.links.truncate(4 * 32 - 1),
            |draft| draft.links.truncate(3 * 32),
            |draft| draft.links.push(0),
            |draft| draft.links.extend([0; 32]),
            |draft| draft.cuts.clear(),
            |draft| draft.cuts.truncate(9),
            |draft| draft.cuts.push_str("00009"),
            |draft| draft.cuts = "0000400002".to_owned(),
            |draft| draft.cuts = "0000299999".to_owned(),
            |draft| draft.cuts = "00002   +4".to_owned(),
            |draft| draft.bodies.truncate(3),
        ];
        for (change, number) in changes.iter().zip(0..) {
            let (mut draft, _) = draft(&[2, 2, 2]);
            change(&mut draft);
            let kind =
                read(&draft, |stretch| stretch.map(|stretch| stretch.len()).map_err(|fault| fault.kind()));
            assert_eq!(kind, Err(StoreErrorKind::Corrupt), "{number}");
        }
    }

    /// Numbers that look random and are the same in every run.
    fn lot(seed: &mut u64) -> usize {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) as usize
    }

    #[test]
    fn whatever_stands_in_a_row_is_taken_apart_without_loss_or_refused() {
        let (mut seed, mut sound) = (1, 0);
        for _ in 0..5_000 {
            let links = vec![1; 32 * (lot(&mut seed) % 5) + lot(&mut seed) % 9 / 8];
            let digit = |seed: &mut u64| char::from(b"000000123"[lot(seed) % 9]);
            let cuts: String = (0..5 * (lot(&mut seed) % 4)).map(|_| digit(&mut seed)).collect();
            let bodies = vec![b'x'; lot(&mut seed) % 3_000];
            let draft = Draft { links, cuts, bodies, ..Draft::default() };
            read(&draft, |stretch| {
                let Ok(stretch) = stretch else { return };
                sound += 1;
                let bodies: Vec<Bytes> = stretch.events(0, usize::MAX).map(|event| event.body).collect();
                assert_eq!(bodies.concat(), draft.bodies);
                assert_eq!((bodies.len() + 1) * DIGEST, draft.links.len());
            });
        }
        assert!(sound > 100, "{sound}");
    }
}
