//! What a grant has used.

use std::{fs, path::Path, time::SystemTime};

use striatum_core::run::Usage;

use crate::adapter::TaskMark;

/// What was measured, with what the agent reports where nothing was.
pub(super) fn total(measured: Usage, reported: &Usage) -> Usage {
    Usage {
        wall_ms: measured.wall_ms,
        input_tokens: measured.input_tokens.or(reported.input_tokens),
        output_tokens: measured.output_tokens.or(reported.output_tokens),
        turns: measured.turns.or(reported.turns),
    }
}

/// How long an agent worked that nobody watched to its end: from when it had its task to the last sign of life in its session's
/// folder. One that never had its task has used nothing.
pub(super) fn unwatched(folder: &Path) -> Usage {
    let begun = TaskMark::of(folder).set_at();
    let took = begun.and_then(|begun| last_sign(folder)?.duration_since(begun).ok()).unwrap_or_default();
    Usage { wall_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX), ..Usage::default() }
}

fn last_sign(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries.filter_map(|entry| entry.metadata().and_then(|meta| meta.modified()).ok()).max()
}
