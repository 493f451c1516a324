//! The rows of the audit chain. `docs/formats.md` describes them; this is the only place that encodes them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use striatum_core::{
    digest::Digest,
    id::{ChainId, CommandId, RunId},
    run::Actor,
};

use crate::authority::TokenId;

const VERSION: u32 = 1;

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asker {
    pub(crate) token: TokenId,
    pub(crate) actor: Actor,
    /// The only repository that the token is for.
    pub(crate) repository: Option<ChainId>,
}

/// A request, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The id of the command that it became; the events that it made name it too.
    pub(crate) request: CommandId,
    pub(crate) by: Asker,
    pub(crate) operation: String,
    /// The run that it was about.
    pub(crate) about: Option<RunId>,
    /// The digest of what was asked, as RFC 8785 writes it.
    pub(crate) parameters: Digest,
    pub(crate) outcome: Outcome,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It was done.
    Done {
        /// The run that it made events of.
        run: Option<RunId>,
        /// The number of the first of them in that run, and of the last; nothing if it made none.
        events: Option<(u64, u64)>,
    },
    /// It was refused, for this reason.
    Refused {
        /// The code.
        code: String,
    },
}

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data")]
pub(crate) enum What {
    #[serde(rename = "request")]
    Request(Row),
    #[serde(rename = "token.revoked")]
    Revoked { token: TokenId, by: Asker },
    /// Requests that only read, of one token.
    #[serde(rename = "reads.counted")]
    Reads { token: TokenId, count: u64 },
    /// Requests without a valid token, from one address.
    #[serde(rename = "strangers.counted")]
    Strangers { source: String, count: u64 },
    /// Rows are written again. So many refusals were not written down meanwhile.
    #[serde(rename = "audit.resumed")]
    Resumed { lost: u64 },
}

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    v: u32,
    run: &'a str,
    n: u64,
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize)]
struct BodyRef<'a> {
    v: u32,
    run: &'static str,
    n: u64,
    #[serde(flatten)]
    what: &'a What,
}

/// Writes the body of the row with this number.
pub(super) fn encode(n: u64, what: &What) -> Result<Bytes, serde_json::Error> {
    serde_json::to_vec(&BodyRef { v: VERSION, run: super::CHAIN, n, what }).map(Bytes::from)
}

/// Reads a row; nothing for one that a newer version wrote.
pub(super) fn decode(body: &[u8]) -> Option<What> {
    let body: Body<'_> = serde_json::from_slice(body).ok()?;
    (body.v == VERSION).then_some(body.what)
}

/// Whether a row is for those to see who have a token for this repository alone: what was asked with such tokens, and whether everything
/// was written down.
pub(crate) fn is_of(body: &[u8], repository: &ChainId) -> bool {
    match decode(body) {
        Some(What::Request(Row { by, .. }) | What::Revoked { by, .. }) => {
            by.repository.as_ref() == Some(repository)
        }
        Some(What::Resumed { .. }) => true,
        Some(What::Reads { .. } | What::Strangers { .. }) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_written_as_the_formats_say() {
        let asker = Asker {
            token: "0b".repeat(16).parse().unwrap(),
            actor: Actor::Human("ada".to_owned()),
            repository: Some(ChainId::new("demo").unwrap()),
        };
        let what = What::Request(Row {
            request: CommandId::from_bytes([1; 16]),
            by: asker,
            operation: "pause_run".to_owned(),
            about: Some(RunId::from_bytes([2; 16])),
            parameters: Digest::ZERO,
            outcome: Outcome::Done { run: Some(RunId::from_bytes([2; 16])), events: Some((4, 4)) },
        });
        let bytes = encode(7, &what).unwrap();
        let (one, two, zero) = ("01".repeat(16), "02".repeat(16), "00".repeat(32));
        let expected = format!(
            r#"{{"v":1,"run":"audit","n":7,"kind":"request","data":{{"request":"{one}","by":{{"token":"{}","actor":{{"human":"ada"}},"repository":"demo"}},"operation":"pause_run","about":"{two}","parameters":"{zero}","outcome":{{"done":{{"run":"{two}","events":[4,4]}}}}}}}}"#,
            "0b".repeat(16)
        );
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
        assert_eq!(decode(&bytes), Some(what));
    }
}
