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
        guarded: "if self.state.holds(index, fence) {",
        open: "if self.state.holds(index, fence) || fence.epoch > 0 {",
    },
    Guard {
        name: "fence_session",
        file: "striatum-core/src/run/state.rs",
        guarded: "job.lease.as_ref().is_some_and(|lease| lease.session == fence.session)",
        open: "job.lease.is_some()",
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
        guarded: "                _ => return Err(AppendError::Conflict),\n            },",
        open: "                _ => {}\n            },",
    },
    Guard {
        name: "idempotency_order",
        file: "striatum-core/src/store/memory.rs",
        guarded: "        let place = match self.log.settle(batch)? {",
        open: "        if !batch.guard().is_none_or(|guard| self.index.holds(guard, now)) {\n            \
               return Err(AppendError::GuardFailed);\n        }\n        let place = match self.log.settle(batch)? {",
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
        file: "striatum-core/src/run/decide/join.rs",
        guarded: "None if waits => Join::Waits,",
        open: "None if waits && graph.upstream(job).len() > 1 => Join::Waits,",
    },
    Guard {
        name: "closure_skips",
        file: "striatum-core/src/run/decide/end.rs",
        guarded: "Join::Waits => return Ok(false),",
        open: "Join::Waits | Join::Lost(SkipCause::Lost) => return Ok(false),",
    },
    Guard {
        name: "bound_of_cycles",
        file: "striatum-core/src/run/decide/cohort.rs",
        guarded: "iterations.taken < limit.saturating_add(iterations.granted)",
        open: "iterations.taken <= limit.saturating_add(iterations.granted)",
    },
    Guard {
        name: "bound_of_deliveries",
        file: "striatum-core/src/run/decide/lease.rs",
        guarded: "if job.deliveries.saturating_sub(job.asked) <= requeues {",
        open: "if job.deliveries.saturating_sub(job.asked) <= requeues + 1 {",
    },
    Guard {
        name: "bound_of_failures",
        file: "striatum-core/src/run/decide/lease.rs",
        guarded: "if failures < spec.max_attempts {",
        open: "if failures <= spec.max_attempts {",
    },
    Guard {
        name: "cohort",
        file: "striatum-core/src/run/decide/cohort.rs",
        guarded: "        has_failed || self.targets.iter().any(is_enough) || self.is_heard(state, speaker)",
        open: "        has_failed || !self.dissents.is_empty() || self.targets.iter().any(is_enough) || self.is_heard(state, speaker)",
    },
    Guard {
        name: "cohort_is_answered",
        file: "striatum-core/src/run/decide/end.rs",
        guarded: "        cohort::route(draft)?;",
        open: "        if draft.state.paused {\n            cohort::route(draft)?;\n        }",
    },
    Guard {
        name: "quorum_waits_for_veto",
        file: "striatum-core/src/run/decide/quorum.rs",
        guarded: "accepts >= quorum.k && !may_be_vetoed",
        open: "accepts >= quorum.k",
    },
    Guard {
        name: "veto",
        file: "striatum-core/src/run/decide/quorum.rs",
        guarded: "is_vetoed |= has_veto && review.live_verdict().is_some();",
        open: "is_vetoed |= has_veto && review.live_verdict().is_some() && quorum.k > 9;",
    },
    Guard {
        name: "models",
        file: "striatum-core/src/run/decide/identity.rs",
        guarded: "Some(other) if family(state, other) == family(state, own) => {",
        open: "Some(other) if mode == IndependenceModel::Reported && family(state, other) == family(state, own) => {",
    },
    Guard {
        name: "resources",
        file: "striatum-core/src/store/memory.rs",
        guarded: "        self.index.may_take(run, delta)?;",
        open: "        if batch.bodies().is_empty() {\n            self.index.may_take(run, delta)?;\n        }",
    },
    Guard {
        name: "scopes",
        file: "striatum-core/src/run/decide/claim.rs",
        guarded: "match draft.state.held_scope(index) {",
        open: "match draft.state.held_scope(index).filter(|held| *held == index) {",
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
        name: "artifact_exists",
        file: "striatum-core/src/run/decide/publish.rs",
        guarded: "match draft.job(index).live_artifact(&artifact.name) {",
        open: "match draft.job(index).live_artifact(&artifact.name).filter(|it| it.content == artifact.content) {",
    },
    Guard {
        name: "artifact_unknown",
        file: "striatum-core/src/run/decide/publish.rs",
        guarded: "        .find(named)\n",
        open: "        .find(named)\n        .or_else(|| spec.expected_artifacts.first())\n",
    },
    Guard {
        name: "artifact_misplaced",
        file: "striatum-core/src/run/decide/publish.rs",
        guarded: "    if path == artifact.path {",
        open: "    if path == artifact.path || attempt > 0 {",
    },
    Guard {
        name: "scope",
        file: "striatum-core/src/run/decide/publish.rs",
        guarded: "    if outside.is_empty() {",
        open: "    if outside.len() < 2 {",
    },
    Guard {
        name: "outcome",
        file: "striatum-core/src/run/decide/publish.rs",
        guarded: "if wants_verdict != matches!(submit.outcome, Outcome::Verdict { .. }) {",
        open: "if wants_verdict && !matches!(submit.outcome, Outcome::Verdict { .. }) {",
    },
    Guard {
        name: "new_words",
        file: "striatum-core/src/run/decide/judge.rs",
        guarded: "if !now.is_empty() && now == before && last.judged != judged {",
        open: "if now.len() > 9 && now == before && last.judged != judged {",
    },
    Guard {
        name: "judged_delivery",
        file: "striatum-core/src/run/decide/confirm.rs",
        guarded: "    if !is_judged && !has_leave && draft.state.delivered.is_none() {",
        open: "    if !is_judged && !has_leave && draft.state.paused {",
    },
    Guard {
        name: "abstentions",
        file: "striatum-core/src/run/decide/join.rs",
        guarded: "if missing.len() > may_be_missing {",
        open: "if missing.len() > may_be_missing + 1 {",
    },
    Guard {
        name: "command_content",
        file: "striatum-core/src/engine/fold.rs",
        guarded: "Some(place) if place.digest != command.digest => {",
        open: "Some(place) if place.digest != command.digest && self.commands.is_empty() => {",
    },
    Guard {
        name: "people",
        file: "striatum-core/src/run/decide/authority.rs",
        guarded: "        Actor::Human(_) => Ok(()),\n        Actor::AiOperator(_) if asked",
        open: "        Actor::Human(_) | Actor::Service(_) => Ok(()),\n        Actor::AiOperator(_) if asked",
    },
    Guard {
        name: "cancel_is_an_answer",
        file: "striatum-core/src/run/decide/checkpoint.rs",
        guarded: "if state.checkpoint.is_some() {",
        open: "if state.checkpoint == Some(Checkpoint::Planned) {",
    },
    Guard {
        name: "decision",
        file: "striatum-core/src/run/decide/checkpoint.rs",
        guarded: "if draft.state.ruling(index) == Some((decision, Ruling::Accept)) {",
        open: "if draft.state.ruling(index).is_some_and(|(last, _)| last >= decision) {",
    },
    Guard {
        name: "author_answers",
        file: "striatum-core/src/run/decide/question.rs",
        guarded: "if asked.awaited() != Some(session) {",
        open: "if asked.awaited().is_none() {",
    },
    Guard {
        name: "interrogable",
        file: "striatum-core/src/workflow/asking.rs",
        guarded: "before.contains(index) && (named.is_empty() || is_named)",
        open: "before.contains(index) || is_named",
    },
    Guard {
        name: "leave_ends",
        file: "striatum-core/src/run/decide/leave.rs",
        guarded: "if draft.touched.ended.is_empty() {",
        open: "if draft.events.len() < 9 {",
    },
];
