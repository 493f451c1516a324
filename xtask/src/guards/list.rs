//! The guards, each as it stands and as it would be if it were not there.

/// A guard, and how it is switched off.
pub(super) struct Guard {
    pub(super) name: &'static str,
    pub(super) file: &'static str,
    /// A piece of the file that stands there once.
    pub(super) guarded: &'static str,
    /// What stands there instead.
    pub(super) open: &'static str,
}

pub(super) const GUARDS: &[Guard] = &[
    Guard {
        name: "fence",
        file: "striatum-core/src/run/decide.rs",
        guarded: "if self.state.is_live(fence) {",
        open: "if self.state.is_live(fence) || fence.epoch > 0 {",
    },
    Guard {
        name: "fence_session",
        file: "striatum-core/src/run/state.rs",
        guarded: "self.fence(&fence.job).as_ref() == Some(fence)",
        open: "self.fence(&fence.job).is_some_and(|live| live.epoch == fence.epoch)",
    },
    Guard {
        name: "session_speaks",
        file: "striatum-core/src/run/decide/authority.rs",
        guarded: "Some(Spoken::Grant(fence)) if fence.session == *session => Ok(()),",
        open: "Some(Spoken::Grant(fence)) if fence.epoch > 0 => Ok(()),",
    },
    Guard {
        name: "session_role",
        file: "striatum-core/src/run/decide/claim.rs",
        guarded: "if session.role != spec.role_id || session.lane != spec.lane_id {",
        open: "if session.lane != spec.lane_id {",
    },
    Guard {
        name: "session_fresh",
        file: "striatum-core/src/run/decide/claim.rs",
        guarded: "if spec.fresh_session_required && ",
        open: "if spec.lease_seconds == Some(0) && spec.fresh_session_required && ",
    },
    Guard {
        name: "run_head",
        file: "striatum-core/src/store/memory/log.rs",
        guarded: "            _ => Err(AppendError::Conflict),\n        }\n    }\n\n    /// Seals",
        open: "            _ => Ok(None),\n        }\n    }\n\n    /// Seals",
    },
    Guard {
        name: "idempotency_order",
        file: "striatum-core/src/store/memory.rs",
        guarded: "        if let Some(head) = self.log.settle(batch)? {",
        open: "        if !batch.guard().is_none_or(|guard| self.index.holds(guard, now)) {\n            \
               return Err(AppendError::GuardFailed);\n        }\n        if let Some(head) = self.log.settle(batch)? {",
    },
    Guard {
        name: "idempotency",
        file: "striatum-core/src/engine.rs",
        guarded: "if let Some(place) = fold.place(reference)? {",
        open: "if let Some(place) = fold.place(reference)?.filter(|_| matches!(command.intent, Intent::Prepare)) {",
    },
    Guard {
        name: "store_clock",
        file: "striatum-core/src/store/memory.rs",
        guarded: "if !batch.guard().is_none_or(|guard| self.index.holds(guard, now)) {",
        open: "if batch.bodies().is_empty() && batch.guard().is_some_and(|guard| self.index.holds(guard, now)) {",
    },
    Guard {
        name: "independence",
        file: "striatum-core/src/run/decide/claim.rs",
        guarded: "if spec.kind.is_verdict_capable() {",
        open: "if spec.kind.is_verdict_capable() && spec.lease_seconds == Some(0) {",
    },
    Guard {
        name: "closure_waits",
        file: "striatum-core/src/run/decide/end.rs",
        guarded: "    if !before.iter().all(|job| draft.state.satisfies(*job)) {",
        open: "    if !before.iter().skip(1).all(|job| draft.state.satisfies(*job)) {",
    },
    Guard {
        name: "closure_skips",
        file: "striatum-core/src/run/decide/end.rs",
        guarded: "if let Some(cause) = before.iter().filter_map(|job| lost(&draft.state, *job)).max() {",
        open: "if let Some(cause) = before.iter().filter_map(|job| lost(&draft.state, *job)).max().filter(|_| attempt > 9) {",
    },
    Guard {
        name: "bound_of_cycles",
        file: "striatum-core/src/run/decide/judge.rs",
        guarded: "Some(WayBack { target, taken, limit }) if taken < limit => {",
        open: "Some(WayBack { target, taken, limit }) if taken < limit + 1 => {",
    },
    Guard {
        name: "bound_of_deliveries",
        file: "striatum-core/src/run/decide/lease.rs",
        guarded: "if job.deliveries <= policy.max_requeues {",
        open: "if job.deliveries <= policy.max_requeues + 1 {",
    },
    Guard {
        name: "bound_of_failures",
        file: "striatum-core/src/run/decide/lease.rs",
        guarded: "if failures < spec.max_attempts {",
        open: "if failures <= spec.max_attempts {",
    },
    Guard {
        name: "room",
        file: "striatum-core/src/run/decide/claim.rs",
        guarded: "if draft.state.room() == 0 {",
        open: "if draft.state.room() == 0 && draft.state.paused {",
    },
    Guard {
        name: "pause",
        file: "striatum-core/src/run/decide/claim.rs",
        guarded: "if draft.state.paused {",
        open: "if draft.state.paused && draft.state.room() == 0 {",
    },
    Guard {
        name: "required_artifacts",
        file: "striatum-core/src/run/decide/publish.rs",
        guarded: "    if missing.is_empty() {",
        open: "    if missing.len() < 2 {",
    },
    Guard {
        name: "people",
        file: "striatum-core/src/run/decide/authority.rs",
        guarded: "        Actor::Human(_) => Ok(()),\n        Actor::AiOperator(_) | Actor::Service(_) |",
        open: "        Actor::Human(_) | Actor::Service(_) => Ok(()),\n        Actor::AiOperator(_) |",
    },
    Guard {
        name: "decision",
        file: "striatum-core/src/run/decide/checkpoint.rs",
        guarded: "    if !covers {",
        open: "    if !covers && recorded.is_none() {",
    },
];
