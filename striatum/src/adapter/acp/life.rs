//! Whether an agent that says nothing is at work.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use striatum_core::id::Fence;
use tokio::time::Instant;

/// No more entries of a tree are looked at: one that has more is looked at in part.
const ENTRIES: usize = 20_000;

/// What is known of the life of an agent.
#[derive(Debug)]
pub(super) struct Life {
    tree: PathBuf,
    patience: Duration,
    seen: Instant,
    /// When something was seen, as files count.
    seen_at: SystemTime,
    calls: u64,
    cpu: Option<Duration>,
    noticed: bool,
    nudged: bool,
}

impl Life {
    pub(super) fn new(tree: &Path, patience: Duration) -> Self {
        Self {
            tree: tree.to_owned(),
            patience,
            seen: Instant::now(),
            seen_at: SystemTime::now(),
            calls: 0,
            cpu: None,
            noticed: false,
            nudged: false,
        }
    }

    /// It gave a sign.
    pub(super) fn seen(&mut self) {
        self.seen = Instant::now();
        self.seen_at = SystemTime::now();
        self.noticed = false;
    }

    /// When to look at what it does beside speaking: half-way through its silence, and at its end.
    pub(super) fn look_at(&self) -> Instant {
        let after = if self.noticed { self.patience } else { self.patience / 2 };
        self.seen + after
    }

    /// Whether it called a tool, changed a file, or its processes used the processor since.
    pub(super) fn look(&mut self, calls: u64, fence: &Fence) -> bool {
        let cpu = striatum_sandbox::process::processor_time(fence.session);
        let worked = match (self.cpu, cpu) {
            // A process that waits for an answer wakes up now and then.
            (Some(before), Some(now)) => now.saturating_sub(before) > self.patience / 200,
            _ => false,
        };
        let is_alive = calls != self.calls || worked || changed_since(&self.tree, self.seen_at);
        self.calls = calls;
        self.cpu = cpu;
        if is_alive {
            self.seen();
        } else {
            self.noticed = true;
        }
        is_alive
    }

    /// Whether its silence has lasted too long.
    pub(super) fn is_over(&self) -> bool {
        self.silence() >= self.patience
    }

    pub(super) fn silence(&self) -> Duration {
        self.seen.elapsed()
    }

    pub(super) fn nudged(&mut self) {
        self.nudged = true;
    }

    pub(super) fn was_nudged(&self) -> bool {
        self.nudged
    }
}

/// Whether a file or folder below this one was changed after that moment.
fn changed_since(root: &Path, moment: SystemTime) -> bool {
    let mut folders = vec![root.to_owned()];
    let mut left = ENTRIES;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.modified().is_ok_and(|modified| modified > moment) {
                return true;
            }
            left = left.saturating_sub(1);
            if left == 0 {
                return false;
            }
            if meta.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    false
}
