//! Named moments at which the process can be made to abort, for drills and for tests of recovery.
//!
//! `STRIATUM_CRASH_AT=<point>` aborts the process, without any clean-up, the first time it comes to that point;
//! `<point>:<n>` the n-th time. There is a point before and after each commit (`<command>.before`, `<command>.after`) and
//! before and after each effect. [`POINTS`] lists those that an ordinary run comes to; the commands of recovery have theirs too,
//! such as `crash.before`. Without the variable a point costs one atomic load.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock, PoisonError},
};

/// The points that an ordinary run comes to, in that order.
pub const POINTS: &[&str] = &[
    "prepare.before",
    "prepare.after",
    "confirm_branch.before",
    "confirm_branch.after",
    "start.before",
    "start.after",
    "claim.before",
    "claim.after",
    "open_tree.before",
    "open_tree.after",
    "spawn.before",
    "spawn.after",
    "agent_ended",
    "commit_work.before",
    "commit_work.after",
    "put_blobs.before",
    "put_blobs.after",
    "submit.before",
    "submit.after",
    "fail.before",
    "fail.after",
    "close_tree.before",
    "close_tree.after",
    "tree_closed.before",
    "tree_closed.after",
    "move_branch.before",
    "move_branch.after",
    "delivered.before",
    "delivered.after",
];

struct Plan {
    point: String,
    hit: u32,
}

/// Aborts the process if this point was asked for. Embedders may have points of their own.
pub fn point(name: &str) {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    let plan = PLAN.get_or_init(|| {
        let wanted = std::env::var("STRIATUM_CRASH_AT").ok()?;
        let (point, hit) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        Some(Plan { point: point.to_owned(), hit: hit.parse().unwrap_or(1) })
    });
    if let Some(plan) = plan
        && plan.point == name
        && count(name) == plan.hit
    {
        tracing::error!(point = name, "aborting, as STRIATUM_CRASH_AT asks");
        std::process::abort();
    }
}

/// The same for a point before or after a command.
pub(crate) fn around(command: &str, moment: &str) {
    point(&format!("{command}.{moment}"));
}

fn count(name: &str) -> u32 {
    static HITS: OnceLock<Mutex<HashMap<String, u32>>> = OnceLock::new();
    let mut hits = HITS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let hit = hits.entry(name.to_owned()).or_default();
    *hit += 1;
    *hit
}
