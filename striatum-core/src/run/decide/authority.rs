//! Who may want what.
//!
//! A session speaks for its own grants and for nothing else. Whatever steers a run, or confirms an effect, is for those who act from
//! outside; what a person is asked, only a person answers.

use crate::{
    id::{Fence, SessionId},
    run::{
        command::{Actor, Command, Intent, Submit},
        event::Checkpoint,
        rejection::Rejection,
        state::State,
    },
};

/// Whether the actor may want this at all. Whether it applies is for the rules of the intent.
pub(super) fn expect(command: &Command) -> Result<(), Rejection> {
    let Actor::Session(session) = &command.actor else { return Ok(()) };
    match spoken_for(&command.intent) {
        Some(Spoken::Session(claimed)) if claimed == *session => Ok(()),
        Some(Spoken::Grant(fence)) if fence.session == *session => Ok(()),
        Some(Spoken::Grant(fence)) => {
            Err(Rejection::StaleFence { job: fence.job.clone(), epoch: fence.epoch })
        }
        Some(Spoken::Session(_)) | None => Err(Rejection::PrincipalRequired),
    }
}

/// What a person is asked is for people, or for an AI operator where the workflow leaves such questions to one.
pub(super) fn expect_person(
    state: &State,
    actor: &Actor,
    asked: Option<Checkpoint>,
) -> Result<(), Rejection> {
    let is_left = |asked| state.workflow().ai_operator_may.contains(&asked);
    match actor {
        Actor::Human(_) => Ok(()),
        Actor::AiOperator(_) if asked.is_some_and(is_left) => Ok(()),
        Actor::AiOperator(_) | Actor::Service(_) | Actor::Session(_) => Err(Rejection::PrincipalRequired),
    }
}

/// On whose behalf an intent is that a session may have.
enum Spoken<'a> {
    Session(SessionId),
    Grant(&'a Fence),
}

fn spoken_for(intent: &Intent) -> Option<Spoken<'_>> {
    match intent {
        Intent::Claim(claim) => Some(Spoken::Session(claim.session)),
        Intent::Reply { session, .. } => Some(Spoken::Session(*session)),
        Intent::Acknowledge { fence, .. }
        | Intent::Identify { fence, .. }
        | Intent::Publish { fence, .. }
        | Intent::Propose { fence, .. }
        | Intent::RequestLeave { fence, .. }
        | Intent::Submit(Submit { fence, .. }) => Some(Spoken::Grant(fence)),
        Intent::Release(report)
        | Intent::Fail(report)
        | Intent::Block { report, .. }
        | Intent::Ask { report, .. } => Some(Spoken::Grant(&report.fence)),
        Intent::Prepare
        | Intent::ConfirmBranch { .. }
        | Intent::Start
        | Intent::Pause
        | Intent::Resume
        | Intent::Cancel { .. }
        | Intent::Expire { .. }
        | Intent::Crash(_)
        | Intent::Answer { .. }
        | Intent::Refer { .. }
        | Intent::Told { .. }
        | Intent::WithdrawLeave { .. }
        | Intent::Escalate { .. }
        | Intent::Settle { .. }
        | Intent::Compromise { .. }
        | Intent::Withhold { .. }
        | Intent::Decide { .. }
        | Intent::Resolve { .. }
        | Intent::Supersede(_)
        | Intent::CancelJob { .. }
        | Intent::Retry { .. }
        | Intent::TreeClosed { .. }
        | Intent::Delivered { .. }
        | Intent::Notified { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{CommandId, JobId, RunId},
        run::command::LeaseReport,
    };

    #[test]
    fn a_session_speaks_for_its_own_grant_and_for_nothing_else() {
        let me = SessionId::from_bytes([1; 16]);
        let fence = |session| Fence {
            run: RunId::from_bytes([0; 16]),
            job: JobId::new("a").unwrap(),
            epoch: 1,
            session: SessionId::from_bytes([session; 16]),
        };
        let wants = |intent| {
            let command = Command { id: CommandId::from_bytes([0; 16]), actor: Actor::Session(me), intent };
            expect(&command).map_err(|refused| refused.code())
        };
        assert_eq!(wants(Intent::Release(LeaseReport::new(fence(1)))), Ok(()));
        assert_eq!(wants(Intent::Release(LeaseReport::new(fence(2)))), Err("stale_fence"));
        let proposal = crate::digest::BlobRef::of(b"more");
        assert_eq!(wants(Intent::Propose { fence: fence(1), proposal }), Ok(()));
        assert_eq!(wants(Intent::Propose { fence: fence(2), proposal }), Err("stale_fence"));
        for steering in [
            Intent::Start,
            Intent::Pause,
            Intent::Expire { fence: fence(1) },
            Intent::Crash(LeaseReport::new(fence(1))),
            Intent::TreeClosed { fence: fence(1), kept: None },
            Intent::Retry { job: JobId::new("a").unwrap() },
            Intent::CancelJob { job: JobId::new("a").unwrap() },
            Intent::Notified { escalation: 1 },
        ] {
            assert_eq!(wants(steering), Err("principal_required"));
        }
    }
}
