//! How runs and what is in them are shown.

use schemars::JsonSchema;
use serde::Serialize;
use striatum_core::{
    digest::{BlobRef, Digest},
    run::Usage,
    time::Timestamp,
};

mod asked;
mod job;
mod run;

pub(super) use asked::{CheckpointView, DecisionView, EscalationView, QuestionView};
pub(super) use job::{ArtifactView, JobBrief, JobView, SessionView};
pub(super) use run::{RunBrief, RunView};

/// Bytes that `/v1/runs/{run}/blobs/{digest}` hands out.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(super) struct Blob {
    /// SHA-256 of the bytes, in hexadecimal.
    #[schemars(with = "String")]
    digest: Digest,
    /// Their number.
    size: u64,
}

impl From<&BlobRef> for Blob {
    fn from(blob: &BlobRef) -> Self {
        Self { digest: blob.digest, size: blob.size }
    }
}

/// What agents used.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(super) struct Used {
    /// How long they worked, in milliseconds.
    wall_ms: u64,
    /// Tokens read, if they say.
    input_tokens: Option<u64>,
    /// Tokens written, if they say.
    output_tokens: Option<u64>,
    /// Turns taken, if they are counted.
    turns: Option<u64>,
}

impl From<&Usage> for Used {
    fn from(used: &Usage) -> Self {
        let Usage { wall_ms, input_tokens, output_tokens, turns } = *used;
        Self { wall_ms, input_tokens, output_tokens, turns }
    }
}

/// A moment as RFC 3339 has it, in UTC, to the microsecond.
pub(super) fn moment(at: Timestamp) -> String {
    let micros = i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).map(|at| format!("{at:.6}")).unwrap_or_default()
}

/// The word that an event uses for one of the machine's values.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        // A value with something in it goes by its name.
        Ok(serde_json::Value::Object(fields)) => fields.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_to_the_microsecond() {
        assert_eq!(moment(Timestamp::from_micros(1_700_000_000_000_001)), "2023-11-14T22:13:20.000001Z");
    }
}
