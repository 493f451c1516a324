//! Leave that an agent at work asks a person for.

use crate::{
    digest::BlobRef,
    id::Fence,
    run::{
        command::Actor,
        decide::{Draft, escalation},
        event::{EscalationRaised, EscalationTopic, Ruling},
        rejection::Rejection,
        state::Escalation,
    },
};

/// How often one grant may ask, so that an agent cannot fill the log.
const REQUESTS: usize = 64;

pub(super) fn request(draft: &mut Draft, fence: &Fence, request: BlobRef) -> Result<(), Rejection> {
    draft.at_work(fence)?;
    let of_grant = |it: &&Escalation| {
        it.raised.topic == EscalationTopic::Leave
            && it.raised.epoch == Some(fence.epoch)
            && it.raised.job.as_ref() == Some(&fence.job)
    };
    if draft.state.escalations.iter().filter(of_grant).count() >= REQUESTS {
        return Err(Rejection::TooManyRequests { job: fence.job.clone(), limit: REQUESTS });
    }
    draft.emit(EscalationRaised {
        escalation: escalation::next(draft),
        topic: EscalationTopic::Leave,
        job: Some(fence.job.clone()),
        reason: Some(request),
        epoch: Some(fence.epoch),
    })
}

/// Nobody has answered in time. Leave that was given or refused meanwhile stays so.
pub(super) fn withdraw(draft: &mut Draft, actor: &Actor, number: u32) -> Result<(), Rejection> {
    let unknown = Rejection::EscalationUnknown { escalation: number };
    let asked = draft.state.escalation(number).filter(|it| it.raised.topic == EscalationTopic::Leave);
    match asked.ok_or(unknown)?.ruling {
        Some(_) => Ok(()),
        None => escalation::resolve(draft, actor, number, Ruling::Reject, None),
    }
}

/// Nobody waits any more for leave that was asked for under a grant that is over.
pub(super) fn withdraw_stale(draft: &mut Draft) -> Result<(), Rejection> {
    if draft.touched.ended.is_empty() {
        return Ok(());
    }
    let is_over = |it: &&Escalation| {
        let live = it.raised.job.as_ref().and_then(|job| draft.state.fence(job));
        it.raised.topic == EscalationTopic::Leave
            && it.ruling.is_none()
            && live.map(|fence| fence.epoch) != it.raised.epoch
    };
    let over = draft.state.escalations.iter().filter(is_over).map(|it| it.raised.escalation);
    let over: Vec<u32> = over.collect();
    let nobody = Actor::Service("engine".to_owned());
    over.into_iter().try_for_each(|number| escalation::resolve(draft, &nobody, number, Ruling::Reject, None))
}
