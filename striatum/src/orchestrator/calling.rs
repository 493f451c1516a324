//! Calling for a person.

use striatum_core::{
    digest::Digest,
    id::CommandId,
    run::{EscalationTopic, QuestionAsked, State},
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
    use EscalationTopic::{BudgetSpent, FollowUp, NeedsOperator, UnjudgedDelivery};
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

/// Lets somebody be told of a question that was just asked.
pub(super) fn question(shared: &Shared, state: &State, asked: &QuestionAsked) {
    let Some(notifier) = shared.notifier.clone() else { return };
    let (run, number) = (state.run(), asked.question);
    let mut id = [0; 16];
    id.copy_from_slice(&Digest::of(format!("question/{run}/{number}").as_bytes()).as_bytes()[..16]);
    let mut call = Call {
        id: CommandId::from_bytes(id),
        run,
        workflow: state.workflow().workflow_id.clone(),
        subject: Subject::Question { number, job: asked.job.clone() },
        code: "question",
        message: format!("run {}: job {} asks a person (question {number})", run.short(), asked.job),
        remedy: "answer it; the job is handed out again with the answer",
        text: None,
    };
    let (engine, text) = (shared.engine.clone(), asked.text);
    tokio::spawn(async move {
        call.text = notify::told(engine.blobs().as_ref(), &text).await;
        notify::tell_of_question(notifier, call).await;
    });
}
