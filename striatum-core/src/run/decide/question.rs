//! What agents ask, and what people answer.

use crate::{
    digest::BlobRef,
    run::{
        RunStatus,
        command::{Actor, LeaseReport},
        decide::{Draft, authority::expect_person},
        event::{Checkpoint, LeaseCause, QuestionAnswered, QuestionAsked},
        rejection::Rejection,
    },
};

/// Gives the job up until there is an answer; the next grant goes on at the same attempt.
pub(super) fn ask(
    draft: &mut Draft,
    report: &LeaseReport,
    question: BlobRef,
    resume: Option<&String>,
) -> Result<(), Rejection> {
    let index = draft.at_work(&report.fence)?;
    draft.emit(QuestionAsked {
        question: draft.state.questions.saturating_add(1),
        job: report.fence.job.clone(),
        attempt: draft.job(index).attempt,
        text: question,
        resume: resume.cloned(),
        ended: report.ended(LeaseCause::Asked),
    })
}

pub(super) fn answer(
    draft: &mut Draft,
    actor: &Actor,
    question: u32,
    answer: BlobRef,
) -> Result<(), Rejection> {
    expect_person(&draft.state, actor, Some(Checkpoint::Question))?;
    draft.expect_run(&[RunStatus::Running])?;
    let asked = draft.state.open_questions().find(|(_, open)| open.number == question);
    let job = asked.map(|(spec, _)| spec.id.clone()).ok_or(Rejection::QuestionUnknown { question })?;
    draft.emit(QuestionAnswered { question, job, text: answer, by: actor.to_string() })
}
