//! Several bodies in one piece of memory.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{CodecError, CommandRef, Common, write_event};
use crate::{
    id::RunId,
    run::{command::Actor, event::Event},
};

/// What a command, or the bodies of what it causes, mostly fit into, in bytes.
const TYPICAL: usize = 2000;

/// Bodies of events of one run, one behind the other.
///
/// ```
/// use striatum_core::run::Bodies;
///
/// let bodies: Bodies = ["{}", "{\"n\":2}"].into_iter().collect();
/// assert_eq!(bodies.len(), 2);
/// assert_eq!(bodies.iter().last(), Some(&b"{\"n\":2}"[..]));
/// assert_eq!((bodies.text(), bodies.ends()), (&b"{}{\"n\":2}"[..], &[2, 9][..]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bodies {
    text: Vec<u8>,
    ends: SmallVec<[usize; 4]>,
}

impl Bodies {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All of them, one behind the other.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where in the text each of them ends.
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// One after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        let mut start = 0;
        self.ends.iter().map(move |end| &self.text[std::mem::replace(&mut start, *end)..*end])
    }

    /// Room for what a command, or the bodies of what it causes, mostly take.
    pub(crate) fn room() -> Vec<u8> {
        Vec::with_capacity(TYPICAL)
    }

    /// No bodies yet, with room for some.
    pub(crate) fn within(room: Vec<u8>) -> Self {
        Self { text: room, ends: SmallVec::new() }
    }

    /// The room that they were in, if it is not much larger than what is typical: two commands in one batch fit in.
    pub(crate) fn into_room(mut self) -> Vec<u8> {
        self.text.clear();
        self.text.shrink_to(2 * TYPICAL);
        self.text
    }

    /// Writes the bodies of the events of a command, the first of which has this number in its run.
    pub(crate) fn add(
        &mut self,
        run: RunId,
        command: CommandRef,
        actor: &Actor,
        first: u64,
        events: &[Event],
    ) -> Result<(), CodecError> {
        let mut common: Option<Common> = None;
        let written = (first..).zip(events).try_for_each(|(n, event)| {
            match &common {
                None => common = Some(Common::write(run, n, command, actor, &mut self.text)?),
                Some(common) => common.repeat(n, &mut self.text)?,
            }
            write_event(event, &mut self.text)?;
            self.ends.push(self.text.len());
            Ok(())
        });
        written.map_err(CodecError::Encoding)
    }
}

impl<B: AsRef<[u8]>> FromIterator<B> for Bodies {
    fn from_iter<I: IntoIterator<Item = B>>(bodies: I) -> Self {
        let mut all = Self::default();
        for body in bodies {
            all.text.extend_from_slice(body.as_ref());
            all.ends.push(all.text.len());
        }
        all
    }
}

impl From<Vec<Bytes>> for Bodies {
    fn from(bodies: Vec<Bytes>) -> Self {
        bodies.into_iter().collect()
    }
}
