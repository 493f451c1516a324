//! Bodies of events: the bytes that are hashed and stored.
//!
//! This is the only place that encodes events. A body is compact JSON with its keys in this order:
//!
//! ```json
//! {"v":1,"run":"…","n":3,"command":{"id":"…","digest":"…"},"actor":{"human":"ada"},"kind":"run.started","data":{}}
//! ```

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    digest::Digest,
    id::{CommandId, RunId},
    json,
    run::{
        command::{Actor, Command, Intent},
        event::Event,
    },
};

const VERSION: u32 = 1;

/// What most bodies and commands fit into, in bytes.
const TYPICAL: usize = 768;

/// An event with where it stands in its run and what it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The run.
    pub run: RunId,
    /// Its number in the run, from 1, without gaps.
    pub n: u64,
    /// The command that made it.
    pub command: CommandRef,
    /// Who gave that command.
    pub actor: Actor,
    /// What happened.
    pub event: Event,
}

/// Names a command and its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandRef {
    /// Its id.
    pub id: CommandId,
    /// The digest of who wanted what.
    pub digest: Digest,
}

impl CommandRef {
    /// The reference to a command.
    pub fn of(command: &Command) -> Self {
        #[derive(Serialize)]
        struct Content<'a> {
            actor: &'a Actor,
            intent: &'a Intent,
        }
        let content = Content { actor: &command.actor, intent: &command.intent };
        let mut bytes = Vec::with_capacity(TYPICAL);
        // Typed structs without maps whose keys are not strings always serialise.
        if json::write(&content, &mut bytes).is_err() {
            bytes.clear();
        }
        Self { id: command.id, digest: Digest::of(&bytes) }
    }
}

/// Why a body is not an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The version or kind is not one that this version knows: a newer engine wrote it.
    #[error("written by a newer engine (version {version}, kind {kind:?})")]
    Newer {
        /// The version of the body.
        version: u32,
        /// The kind of the event.
        kind: String,
    },
    /// The bytes are not a body.
    #[error("the bytes are not an event")]
    Encoding(#[source] serde_json::Error),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    v: u32,
    kind: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow)]
    run: &'a RawValue,
    n: u64,
    #[serde(borrow)]
    command: &'a RawValue,
    #[serde(borrow)]
    actor: &'a RawValue,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
    #[serde(default)]
    kind: String,
}

struct Data<'a>(&'a Event);

impl Serialize for Data<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_data(to)
    }
}

/// What the bodies of a command's events have in common: the text before the number of the event, and the text behind it.
#[derive(Debug, Default)]
struct Frame {
    text: Vec<u8>,
    split: usize,
}

impl Frame {
    fn set(&mut self, run: RunId, command: CommandRef, actor: &Actor) -> serde_json::Result<()> {
        let text = &mut self.text;
        text.clear();
        text.reserve(TYPICAL / 2);
        text.extend_from_slice(b"{\"v\":");
        json::write(&VERSION, text)?;
        text.extend_from_slice(b",\"run\":");
        json::write(&run, text)?;
        text.extend_from_slice(b",\"n\":");
        self.split = text.len();
        text.extend_from_slice(b",\"command\":");
        json::write(&command, text)?;
        text.extend_from_slice(b",\"actor\":");
        json::write(actor, text)?;
        text.extend_from_slice(b",\"kind\":");
        Ok(())
    }

    /// Writes the body of an event.
    fn write(&self, n: u64, event: &Event, to: &mut Vec<u8>) -> serde_json::Result<()> {
        let (before, behind) = self.text.split_at(self.split);
        to.extend_from_slice(before);
        json::write(&n, to)?;
        to.extend_from_slice(behind);
        json::write(event.kind(), to)?;
        to.extend_from_slice(b",\"data\":");
        json::write(&Data(event), to)?;
        to.push(b'}');
        Ok(())
    }
}

/// Bodies of events of one run, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    frame: Frame,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Bodies {
    /// The events that follow, so many, are those of a command.
    pub(crate) fn begin(
        &mut self,
        run: RunId,
        command: CommandRef,
        actor: &Actor,
        events: usize,
    ) -> Result<(), CodecError> {
        self.bytes.reserve(events * TYPICAL);
        self.ends.reserve(events);
        self.frame.set(run, command, actor).map_err(CodecError::Encoding)
    }

    /// Writes the body of the event that has this number in its run.
    pub(crate) fn push(&mut self, n: u64, event: &Event) -> Result<(), CodecError> {
        self.frame.write(n, event, &mut self.bytes).map_err(CodecError::Encoding)?;
        self.ends.push(self.bytes.len());
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bodies, which share their memory.
    pub(crate) fn into_bodies(self) -> Vec<Bytes> {
        let mut rest = Bytes::from(self.bytes);
        let mut start = 0;
        let split = |end| rest.split_to(end - std::mem::replace(&mut start, end));
        self.ends.into_iter().map(split).collect()
    }
}

impl Record {
    /// Writes the body. The bytes are final: they are hashed and stored as they are.
    ///
    /// # Errors
    /// [`CodecError::Encoding`] if the event cannot be written, which no event of this version causes.
    pub fn encode(&self) -> Result<Bytes, CodecError> {
        let (mut frame, mut bytes) = (Frame::default(), Vec::with_capacity(TYPICAL));
        frame
            .set(self.run, self.command, &self.actor)
            .and_then(|()| frame.write(self.n, &self.event, &mut bytes))
            .map_err(CodecError::Encoding)?;
        Ok(bytes.into())
    }

    /// A body of another version may be built otherwise: what it says of its version counts more than why it cannot be read.
    fn newer(body: &[u8], error: serde_json::Error) -> CodecError {
        match serde_json::from_slice(body) {
            Ok(Version { v, kind }) if v != VERSION => CodecError::Newer { version: v, kind },
            Ok(_) | Err(_) => CodecError::Encoding(error),
        }
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn decode(body: &[u8]) -> Result<Self, CodecError> {
        let envelope: Envelope<'_> =
            serde_json::from_slice(body).map_err(|error| Self::newer(body, error))?;
        let newer = || CodecError::Newer { version: envelope.v, kind: envelope.kind.to_owned() };
        if envelope.v != VERSION {
            return Err(newer());
        }
        let event = Event::decode(envelope.kind, envelope.data.get())
            .ok_or_else(newer)?
            .map_err(CodecError::Encoding)?;
        let read = |error| CodecError::Encoding(error);
        Ok(Self {
            run: serde_json::from_str(envelope.run.get()).map_err(read)?,
            n: envelope.n,
            command: serde_json::from_str(envelope.command.get()).map_err(read)?,
            actor: serde_json::from_str(envelope.actor.get()).map_err(read)?,
            event,
        })
    }
}
