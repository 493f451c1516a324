//! Which tools there are, and what a call of each means.

use striatum_core::{
    digest::Digest,
    run::{Severity, Verdict},
};

use super::arguments::{
    AnswerQuestion, AskHuman, AskUpstream, BlockWork, CompleteWork, Finding, Findings, Form, GetPacket,
    Helper, Judgement, ProposeFollowUp, PublishArtifact, ReadDocument, Reason, Said, SubmitReview,
};
use crate::{
    Refusal,
    agents::{Act, FollowUp, Mode, Source},
    toolbox::{Entry, entry, invalid},
};

/// What an agent wants.
pub(in crate::agents) enum Call {
    Packet(PacketForm),
    Read(Digest),
    Act(Act, Mode),
}

pub(in crate::agents) enum PacketForm {
    Text,
    Json,
}

pub(super) const CATALOGUE: &[Entry<Call>] = &[
    entry!(
        ["get_packet"],
        "Read the task",
        None,
        GetPacket,
        packet,
        "Returns your task: what to do, what you may change, which artifacts to leave, and what was said of earlier attempts."
    ),
    entry!(
        ["read_document"],
        "Read a document",
        None,
        ReadDocument,
        read_document,
        "Returns a text that the work packet names by its digest: an artifact that you judge or build on, a finding, an answer."
    ),
    entry!(
        ["publish_artifact"],
        "Publish an artifact",
        Adds,
        PublishArtifact,
        publish,
        "Publishes one of the artifacts that the task expects, and leaves you at work. What was published cannot be replaced at this \
         attempt. It is not needed for files that lie where the task says: they are published when you finish."
    ),
    entry!(
        ["submit_review"],
        "Submit the review",
        Ends,
        SubmitReview,
        judge,
        "Ends a review with your verdict and findings. The files in your work tree are handed in with it."
    ),
    entry!(
        ["complete_work"],
        "Complete the work",
        Ends,
        CompleteWork,
        complete,
        "Ends work that is no review: all that you left in the work tree is committed and handed in, with the artifacts that the task expects."
    ),
    entry!(
        ["report_failure"],
        "Report a failure",
        Ends,
        Reason,
        |it| reason(it, |reason| Act::Fail { reason }),
        "Ends this attempt as failed. Use it if the work was tried and cannot be done."
    ),
    entry!(
        ["release_work"],
        "Give the work back",
        Ends,
        Reason,
        |it| reason(it, |reason| Act::Release { reason }),
        "Gives the work back undone, for another session. What you left is set aside for it."
    ),
    entry!(
        ["block_work"],
        "Report a blocker",
        Ends,
        BlockWork,
        block,
        "Ends your work because something stands in the way that you cannot remove, and somebody else can."
    ),
    entry!(
        ["ask_human", "request_human_steering"],
        "Ask a person",
        Ends,
        AskHuman,
        ask,
        "Asks a person and ends your work until there is an answer; whoever goes on is told the question and the answer. \
         Use it only for what you cannot find out or decide."
    ),
    entry!(
        ["ask_upstream"],
        "Ask who did an earlier job",
        Ends,
        AskUpstream,
        ask_upstream,
        "Asks the session that did an earlier job and ends your work until there is an answer; whoever goes on is told the question and \
         the answer. The task says whom you may ask. Use it for what the work itself does not show."
    ),
    entry!(
        ["answer"],
        "Answer a question",
        Ends,
        AnswerQuestion,
        answer,
        "Answers what a later job asks about work that you did, if that is your task."
    ),
    entry!(
        ["propose_follow_up", "propose_issue"],
        "Propose a follow-up",
        Adds,
        ProposeFollowUp,
        propose,
        "Proposes work that is out of scope here, for a person to decide on. You stay at work."
    ),
];

fn mode(dry_run: Option<bool>) -> Mode {
    if dry_run == Some(true) { Mode::DryRun } else { Mode::Perform }
}

/// A text that says something.
fn said(text: String, what: &str) -> Result<String, Refusal> {
    if text.trim().is_empty() { Err(invalid(format!("{what} is empty"))) } else { Ok(text) }
}

fn packet(GetPacket { format }: GetPacket) -> Result<Call, Refusal> {
    Ok(Call::Packet(match format {
        None | Some(Form::Text) => PacketForm::Text,
        Some(Form::Json) => PacketForm::Json,
    }))
}

fn read_document(ReadDocument { digest }: ReadDocument) -> Result<Call, Refusal> {
    digest.parse().map(Call::Read).map_err(|_| invalid(format!("{digest:?} is no digest")))
}

fn publish(it: PublishArtifact) -> Result<Call, Refusal> {
    let name = it.name.parse().map_err(|error| invalid(format!("{error}")))?;
    let source = match (it.text, it.path) {
        (Some(_), Some(_)) => return Err(invalid("there is a text and a path")),
        (Some(text), None) => Source::Text(text),
        (None, path) => Source::Tree(path),
    };
    Ok(Call::Act(Act::Publish { name, source }, mode(it.dry_run)))
}

fn judge(it: SubmitReview) -> Result<Call, Refusal> {
    let verdict = match it.verdict {
        Judgement::Accept => Verdict::Accept,
        Judgement::AcceptWithFindings => Verdict::AcceptWithFindings,
        Judgement::NeedsRevision => Verdict::NeedsRevision,
        Judgement::Reject => Verdict::Reject,
    };
    let findings = match it.findings {
        None => Vec::new(),
        Some(Findings::One(text)) => vec![text],
        Some(Findings::Many(many)) => many.into_iter().map(finding).collect(),
    };
    let findings = findings.into_iter().filter(|text| !text.trim().is_empty()).collect();
    Ok(Call::Act(Act::Judge { verdict, findings }, mode(it.dry_run)))
}

/// In the form in which findings in files are kept.
fn finding(said: Said) -> String {
    let Finding { title, severity, detail, path, line } = match said {
        Said::Text(text) => return text,
        Said::Finding(finding) => finding,
    };
    let severity = severity.map(|severity| format!("[{severity}] ")).unwrap_or_default();
    let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
    let place = match (path, line) {
        (Some(path), Some(line)) => format!(" ({path}:{line})"),
        (Some(path), None) => format!(" ({path})"),
        (None, Some(line)) => format!(" (line {line})"),
        (None, None) => String::new(),
    };
    format!("{severity}{title}{detail}{place}")
}

fn complete(it: CompleteWork) -> Result<Call, Refusal> {
    Ok(Call::Act(Act::Complete, mode(it.dry_run)))
}

fn reason(it: Reason, act: impl FnOnce(String) -> Act) -> Result<Call, Refusal> {
    Ok(Call::Act(act(said(it.reason, "the reason")?), mode(it.dry_run)))
}

fn block(it: BlockWork) -> Result<Call, Refusal> {
    let severity = match it.needs {
        None | Some(Helper::Operator) => Severity::Operator,
        Some(Helper::Person) => Severity::HumanCheckpoint,
    };
    let reason = said(it.reason, "the reason")?;
    Ok(Call::Act(Act::Block { reason, severity }, mode(it.dry_run)))
}

fn ask(it: AskHuman) -> Result<Call, Refusal> {
    let act = Act::Ask { question: said(it.question, "the question")?, resume: it.resume, of: None };
    Ok(Call::Act(act, mode(it.dry_run)))
}

fn ask_upstream(it: AskUpstream) -> Result<Call, Refusal> {
    let of = Some(it.job.parse().map_err(|error| invalid(format!("{error}")))?);
    let act = Act::Ask { question: said(it.question, "the question")?, resume: it.resume, of };
    Ok(Call::Act(act, mode(it.dry_run)))
}

fn answer(it: AnswerQuestion) -> Result<Call, Refusal> {
    Ok(Call::Act(Act::Answer { answer: said(it.answer, "the answer")? }, mode(it.dry_run)))
}

fn propose(it: ProposeFollowUp) -> Result<Call, Refusal> {
    let follow_up = FollowUp {
        title: said(it.title, "the title")?,
        description: said(it.description, "the description")?,
    };
    Ok(Call::Act(Act::Propose(follow_up), mode(it.dry_run)))
}
