//! What agents ask, and what people and other agents answer.

use crate::{
    digest::BlobRef,
    id::{JobId, SessionId},
    run::{
        RunStatus,
        command::{Actor, LeaseReport},
        decide::{Draft, authority::expect_person},
        event::{
            Addressee, Checkpoint, LeaseCause, QuestionAnswered, QuestionAsked, QuestionNotified,
            QuestionReferred, Usage,
        },
        rejection::Rejection,
        state::Question,
    },
    workflow::QUESTIONS,
};

/// Gives the job up until there is an answer; the next grant goes on at the same attempt.
pub(super) fn ask(
    draft: &mut Draft,
    report: &LeaseReport,
    question: BlobRef,
    resume: Option<&String>,
    of: Option<&JobId>,
) -> Result<(), Rejection> {
    let index = draft.at_work(&report.fence)?;
    let of = of.map(|asked| addressee(draft, index, asked)).transpose()?;
    draft.emit(QuestionAsked {
        question: draft.state.questions.saturating_add(1),
        job: report.fence.job.clone(),
        attempt: draft.job(index).attempt,
        text: question,
        resume: resume.cloned(),
        ended: report.ended(LeaseCause::Asked),
        of,
    })
}

/// Whom a job asks that asks another: who completed it, if it lets itself be asked by this one.
fn addressee(draft: &Draft, asker: usize, asked: &JobId) -> Result<Addressee, Rejection> {
    let job = &draft.state.spec(asker).id;
    let target = draft.index(asked)?;
    if draft.job(asker).questions_to_jobs() >= QUESTIONS as usize {
        return Err(Rejection::TooManyQuestions { job: job.clone(), limit: QUESTIONS });
    }
    if !draft.state.may_be_asked(asker).any(|known| known == target) {
        return Err(Rejection::NotInterrogable { job: job.clone(), asked: asked.clone() });
    }
    Ok(Addressee { job: asked.clone(), session: draft.job(target).author })
}

pub(super) fn answer(
    draft: &mut Draft,
    actor: &Actor,
    question: u32,
    answer: BlobRef,
) -> Result<(), Rejection> {
    expect_person(draft.state, actor, Some(Checkpoint::Question))?;
    let (job, _) = open(draft, question)?;
    let (by, session, usage) = (actor.to_string(), None, None);
    draft.emit(QuestionAnswered { question, job, text: answer, by, session, usage })
}

/// The answer of the session that was asked, and of no other.
pub(super) fn reply(
    draft: &mut Draft,
    actor: &Actor,
    question: u32,
    session: SessionId,
    answer: BlobRef,
    usage: Option<Usage>,
) -> Result<(), Rejection> {
    let (job, asked) = open(draft, question)?;
    if asked.awaited() != Some(session) {
        return Err(Rejection::QuestionUnknown { question });
    }
    let (by, session) = (actor.to_string(), Some(session));
    draft.emit(QuestionAnswered { question, job, text: answer, by, session, usage })
}

/// A question that is for a person already stays so.
pub(super) fn refer(
    draft: &mut Draft,
    question: u32,
    reason: Option<BlobRef>,
    usage: Option<Usage>,
) -> Result<(), Rejection> {
    let (job, asked) = open(draft, question)?;
    if asked.awaited().is_none() {
        return Ok(());
    }
    draft.emit(QuestionReferred { question, job, reason, usage })
}

pub(super) fn told(draft: &mut Draft, question: u32) -> Result<(), Rejection> {
    let (job, asked) = open(draft, question)?;
    match (asked.awaited(), asked.told) {
        // It is not for a person.
        (Some(_), _) => Err(Rejection::NothingOwed),
        (None, true) => Ok(()),
        (None, false) => draft.emit(QuestionNotified { question, job }),
    }
}

/// A question that waits for its answer, with the job that asked it.
fn open(draft: &Draft, number: u32) -> Result<(JobId, Question), Rejection> {
    draft.expect_run(&[RunStatus::Running])?;
    let asked = draft.state.open_questions().find(|(_, open)| open.number == number);
    let found = asked.map(|(spec, question)| (spec.id.clone(), question.clone()));
    found.ok_or(Rejection::QuestionUnknown { question: number })
}
