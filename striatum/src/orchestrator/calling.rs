//! Calling for a person.

use striatum_core::{
    id::CommandId,
    run::{EscalationTopic, State},
};

use crate::{
    notify::{self, Call, Subject},
    orchestrator::{Error, ErrorKind, Shared},
    progress::Progress,
};

/// Tells those who watch, and whoever is to be called, what only a principal can resolve. It is owed until that succeeded.
pub(super) async fn escalation(
    shared: &Shared,
    state: &State,
    number: u32,
    id: CommandId,
) -> Result<(), Error> {
    use EscalationTopic::{BudgetSpent, FollowUp, Leave, NeedsOperator, UnjudgedDelivery};
    let raised = (number as usize).checked_sub(1).and_then(|place| state.escalations().get(place));
    let (code, what, remedy) = match raised.map(|escalation| escalation.raised.topic) {
        Some(NeedsOperator) => (
            "needs_operator",
            "needs an operator",
            "look at the run, mend what is wrong, and retry the job that was lost",
        ),
        Some(BudgetSpent) => (
            "budget_spent",
            "has used up its budget and is paused",
            "resume the run, which grants as much again, or cancel it",
        ),
        Some(UnjudgedDelivery) => (
            "delivery_withheld",
            "was not delivered: the result differs from what was judged",
            "look at the files that differ, and accept or reject the delivery",
        ),
        Some(FollowUp) => (
            "follow_up_proposed",
            "has a proposal for further work",
            "read what is proposed, and accept or reject it",
        ),
        Some(Leave) => (
            "leave_wanted",
            "has an agent that asks for leave and waits",
            "read what it asks for, and accept or reject it",
        ),
        _ => ("help_wanted", "asks for help", "read what was raised, and settle it"),
    };
    let run = state.run();
    let message = format!("run {} {what} (escalation {number})", run.short());
    if let Some(notifier) = &shared.notifier {
        let text = match raised.and_then(|escalation| escalation.raised.reason) {
            Some(reason) => notify::told(shared.engine.blobs().as_ref(), &reason).await,
            None => None,
        };
        let job = raised.and_then(|escalation| escalation.raised.job.clone());
        let subject = Subject::Escalation { number, job };
        let workflow = state.workflow().workflow_id.clone();
        let call = Call { id, run, workflow, subject, code, message: message.clone(), remedy, text };
        let failed =
            |error| Error::new(ErrorKind::NobodyTold, format!("tell of escalation {number}")).because(error);
        notifier.tell(&call).await.map_err(failed)?;
    }
    tracing::warn!(run = %run.short(), escalation = number, "the run {what}");
    let _ = shared.progress.send(Progress::Notice { run: Some(run), code, message, remedy });
    Ok(())
}

/// The same of a question that waits for a person.
pub(super) async fn question(
    shared: &Shared,
    state: &State,
    number: u32,
    id: CommandId,
) -> Result<(), Error> {
    let Some((spec, asked)) = state.open_questions().find(|(_, asked)| asked.number == number) else {
        return Ok(());
    };
    let (run, job) = (state.run(), spec.id.clone());
    let of = asked.of.as_ref().map(|of| format!(" what {} could not answer", of.job)).unwrap_or_default();
    let message = format!("run {}: job {job} asks a person{of} (question {number})", run.short());
    let (code, remedy) = ("question", "answer it; the job is handed out again with the answer");
    if let Some(notifier) = &shared.notifier {
        let text = notify::told(shared.engine.blobs().as_ref(), &asked.text).await;
        let workflow = state.workflow().workflow_id.clone();
        let subject = Subject::Question { number, job };
        let call = Call { id, run, workflow, subject, code, message: message.clone(), remedy, text };
        let failed =
            |error| Error::new(ErrorKind::NobodyTold, format!("tell of question {number}")).because(error);
        notifier.tell(&call).await.map_err(failed)?;
    }
    let _ = shared.progress.send(Progress::Notice { run: Some(run), code, message, remedy });
    Ok(())
}
