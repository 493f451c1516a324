//! Bodies of events: the bytes that are hashed and stored.
//!
//! This is the only place that encodes events. A body is compact JSON with its keys in this order:
//!
//! ```json
//! {"v":1,"run":"…","n":3,"command":{"id":"…","digest":"…"},"actor":{"human":"ada"},"kind":"run.started","data":{}}
//! ```

use std::ops::Range;

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

mod bodies;

pub use bodies::Bodies;

const VERSION: u32 = 1;

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
        Self::within(command, &mut Bodies::room())
    }

    /// The same, with room for what is hashed, which is left as it was.
    pub(crate) fn within(command: &Command, text: &mut Vec<u8>) -> Self {
        #[derive(Serialize)]
        struct Content<'a> {
            actor: &'a Actor,
            intent: &'a Intent,
        }
        let content = Content { actor: &command.actor, intent: &command.intent };
        let start = text.len();
        // Typed structs without maps whose keys are not strings always serialise.
        if json::write(&content, text).is_err() {
            text.truncate(start);
        }
        let digest = Digest::of(&text[start..]);
        text.truncate(start);
        Self { id: command.id, digest }
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

/// Where the bodies of a command's events have the same text: before the number of the event, and behind it.
struct Common {
    before: Range<usize>,
    behind: Range<usize>,
}

impl Common {
    /// Begins the body of the first event.
    fn write(
        run: RunId,
        n: u64,
        command: CommandRef,
        actor: &Actor,
        to: &mut Vec<u8>,
    ) -> serde_json::Result<Self> {
        let start = to.len();
        to.extend_from_slice(b"{\"v\":");
        json::write(&VERSION, to)?;
        to.extend_from_slice(b",\"run\":");
        json::write(&run, to)?;
        to.extend_from_slice(b",\"n\":");
        let before = start..to.len();
        json::write(&n, to)?;
        let start = to.len();
        to.extend_from_slice(b",\"command\":");
        json::write(&command, to)?;
        to.extend_from_slice(b",\"actor\":");
        json::write(actor, to)?;
        to.extend_from_slice(b",\"kind\":");
        Ok(Self { before, behind: start..to.len() })
    }

    /// Begins the body of a further event.
    fn repeat(&self, n: u64, to: &mut Vec<u8>) -> serde_json::Result<()> {
        to.extend_from_within(self.before.clone());
        json::write(&n, to)?;
        to.extend_from_within(self.behind.clone());
        Ok(())
    }
}

/// Ends a body with what the event says.
fn write_event(event: &Event, to: &mut Vec<u8>) -> serde_json::Result<()> {
    // The names of kinds are plain.
    to.push(b'"');
    to.extend_from_slice(event.kind().as_bytes());
    to.extend_from_slice(b"\",\"data\":");
    json::write(&Data(event), to)?;
    to.push(b'}');
    Ok(())
}

impl Record {
    /// Writes the body. The bytes are final: they are hashed and stored as they are.
    ///
    /// # Errors
    /// [`CodecError::Encoding`] if the event cannot be written, which no event of this version causes.
    pub fn encode(&self) -> Result<Bytes, CodecError> {
        let mut bytes = Bodies::room();
        Common::write(self.run, self.n, self.command, &self.actor, &mut bytes)
            .and_then(|_| write_event(&self.event, &mut bytes))
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
