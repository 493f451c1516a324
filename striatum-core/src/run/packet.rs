//! The work packet: the document that a session is handed at a grant.

use bytes::Bytes;
use serde::Serialize;

use crate::{
    canonical,
    digest::Digest,
    id::{CommitId, Fence, JobId, WorkflowId},
    run::{
        JobStatus,
        command::DeliveryMode,
        event::Verdict,
        state::{FailedGrant, JobState, Question, State},
    },
    workflow::{self, Budget, JobType, QUESTIONS, ReviewContext, WriteScope, Written},
};

mod part;

pub use crate::workflow::{PacketRole, PacketText};
pub use part::*;

/// Everything that a session is told about its job, without the texts themselves: those are blobs, named by digest.
///
/// A packet is a function of snapshot and state, so it is not stored: the grant names its digest, and whoever has the events
/// can write it again. Serialised it is canonical JSON (RFC 8785); `docs/formats.md` lists the fields. They are declared in the
/// order of their names, as all below, in which they are written fastest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Packet {
    /// What was asked at this attempt, and what people answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<PacketAnswer>,
    /// At which attempt.
    pub attempt: u32,
    /// What is left of the budget of this attempt, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "part::in_order::budget")]
    pub budget: Option<Budget>,
    /// Documents to know.
    pub context: Written<Vec<PacketText>>,
    /// What must or may be left.
    pub expected_artifacts: Vec<PacketArtifact>,
    /// Why the last attempt failed, if it did and nothing was handed in since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<PacketFailure>,
    /// The grant.
    #[serde(serialize_with = "part::in_order::fence")]
    pub fence: Fence,
    /// What the work builds on, or judges.
    pub inputs: Vec<PacketInput>,
    /// How long the lease lasts without renewal.
    pub lease_seconds: u32,
    /// The earlier jobs whose sessions may be asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub may_ask: Vec<JobId>,
    /// What is to be achieved.
    pub objective: Written<String>,
    /// What to do.
    pub prompt: Written<Option<PacketText>>,
    /// What a job behind this one asks: nothing else is to be done than to answer it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<PacketQuestion>,
    /// How to judge, if this is a review.
    pub review: Option<PacketReview>,
    /// Why the work is done again, if it is.
    pub revision: Vec<PacketFinding>,
    /// Who is to do it.
    pub role: Written<PacketRole>,
    /// The version of this format.
    pub schema: &'static str,
    /// What an earlier grant of this attempt left unfinished.
    pub set_aside: Option<CommitId>,
    /// A title for people.
    pub title: Written<String>,
    /// What kind of work it is.
    #[serde(rename = "type")]
    pub kind: JobType,
    /// The workflow.
    pub workflow: WorkflowId,
    /// What may be changed.
    pub write_scope: Written<WriteScope>,
}

impl Packet {
    /// What the session is told that is to answer a question: the packet of the work that it completed, with the question. `None` if no
    /// session is to answer it now.
    ///
    /// Its fence is that of the grant under which the work was done, which is over.
    pub fn for_question(state: &State, number: u32) -> Option<Self> {
        let (asker, asked) = state.open_questions().find(|(_, asked)| asked.number == number)?;
        let session = asked.awaited()?;
        let job = asked.of.as_ref()?.job.clone();
        let epoch = state.job(&job)?.epoch;
        let fence = Fence { run: state.run(), job, epoch, session };
        let index = state.snapshot().graph().index(&fence.job)?;
        let left =
            asker.budget.as_ref().zip(state.job(&asker.id)).map(|(budget, job)| job.used.left_of(budget));
        Some(Self {
            question: Some(PacketQuestion { from: asker.id.clone(), question: number, text: asked.text }),
            budget: left,
            expected_artifacts: Vec::new(),
            may_ask: Vec::new(),
            ..Self::for_grant(state, index, fence, DeliveryMode::Push)
        })
    }

    /// The packet of a job that is held, as it was handed out; `None` if the fence is not live.
    pub fn of(state: &State, fence: &Fence) -> Option<Self> {
        let index = state.snapshot().graph().index(&fence.job)?;
        let mode = state.jobs[index].lease.as_ref()?.mode;
        state.holds(index, fence).then(|| Self::for_grant(state, index, fence.clone(), mode))
    }

    /// The packet that goes with a grant of the job with this number.
    pub(super) fn for_grant(state: &State, index: usize, fence: Fence, mode: DeliveryMode) -> Self {
        let snapshot = state.snapshot();
        let (spec, job, brief) = (state.spec(index), &state.jobs[index], snapshot.brief(index));
        Self {
            schema: "striatum.packet.v1",
            fence,
            attempt: job.attempt,
            workflow: snapshot.workflow().workflow_id.clone(),
            kind: spec.kind,
            title: brief.title.clone(),
            objective: brief.objective.clone(),
            role: brief.role.clone(),
            prompt: brief.prompt.clone(),
            context: brief.context.clone(),
            inputs: inputs(state, index),
            write_scope: brief.write_scope.clone(),
            expected_artifacts: spec
                .expected_artifacts
                .iter()
                .map(|artifact| PacketArtifact {
                    name: artifact.name_at(job.attempt).map_or_else(String::new, |name| name.to_string()),
                    kind: artifact.kind.clone(),
                    path: artifact.path_at(job.attempt),
                    required: artifact.required,
                })
                .collect(),
            review: spec.kind.is_verdict_capable().then(|| PacketReview {
                access: spec.reviewer_access_scope,
                context: spec.reviewer_context_policy,
                posture: spec.review_posture.clone(),
                verdicts: Verdict::ALL,
            }),
            revision: revision(state, index),
            failure: job.failed.map(|FailedGrant { attempt, session, reason }| PacketFailure {
                attempt,
                session,
                reason,
            }),
            answers: job.questions.iter().filter_map(|asked| answered(asked)).collect(),
            budget: spec.budget.as_ref().map(|budget| job.used.left_of(budget)),
            may_ask: may_ask(state, index),
            question: None,
            set_aside: job.set_aside.clone(),
            lease_seconds: spec.lease_seconds.unwrap_or_else(|| mode.lease_seconds()),
        }
    }

    /// Whether the packet names these bytes: the texts that its session may read, and nothing else.
    pub fn names(&self, document: &Digest) -> bool {
        let texts = self.prompt.iter().chain(&self.role.definition).chain(&*self.context);
        let files = texts.filter_map(|text| match text {
            PacketText::File { content, .. } => Some(content.digest),
            PacketText::Inline(_) => None,
        });
        let findings = |finding: &PacketFinding| finding.findings.map(|blob| blob.digest);
        let inputs = self.inputs.iter().flat_map(|input| match input {
            PacketInput::Job { manifest, artifacts, verdict, .. } => {
                let artifacts = artifacts.iter().map(|artifact| artifact.content.digest);
                artifacts.chain(*manifest).chain(verdict.as_ref().and_then(findings)).collect()
            }
            PacketInput::Path(_) => Vec::new(),
        });
        let answers = self.answers.iter().flat_map(|it| [it.text.digest, it.answer.digest]);
        let failure = self.failure.as_ref().and_then(|failure| failure.reason).map(|blob| blob.digest);
        let revision =
            self.revision.iter().filter_map(findings).chain(self.question.iter().map(|it| it.text.digest));
        files.chain(inputs).chain(answers).chain(failure).chain(revision).any(|named| named == *document)
    }

    /// The packet as canonical JSON (RFC 8785).
    pub fn bytes(&self) -> Bytes {
        self.text().into()
    }

    fn text(&self) -> Vec<u8> {
        // Structs of names, numbers, texts and digests always serialise.
        canonical::to_vec(self).unwrap_or_default()
    }

    /// The digest of [`bytes`](Self::bytes), which the grant names.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.text())
    }
}

fn answered(question: &Question) -> Option<PacketAnswer> {
    Some(PacketAnswer {
        answer: question.answer?,
        by: question.by,
        of: question.of.as_ref().map(|of| of.job.clone()),
        question: question.number,
        resume: question.resume.clone(),
        session: question.session,
        text: question.text,
    })
}

/// Whom the job may still ask at this attempt.
fn may_ask(state: &State, index: usize) -> Vec<JobId> {
    if state.jobs[index].questions_to_jobs() >= QUESTIONS as usize {
        return Vec::new();
    }
    state.may_be_asked(index).map(|job| state.spec(job).id.clone()).collect()
}

fn inputs(state: &State, index: usize) -> Vec<PacketInput> {
    let graph = state.snapshot().graph();
    let named = &state.spec(index).inputs;
    let jobs = graph.inputs(index);
    let mut heard = Vec::new();
    if state.spec(index).kind != JobType::Review {
        // Whatever reviews before it found travels on, whether the document names them or not.
        let is_heard = |job: &&usize| state.jobs[**job].live_verdict().is_some() && !jobs.contains(job);
        heard.extend(graph.upstream(index).iter().filter(is_heard));
    }
    let paths = named.iter().filter(|input| graph.index_of(input).is_none()).cloned().map(PacketInput::Path);
    let jobs = jobs.iter().chain(heard).map(|job| outcome(state.spec(*job), &state.jobs[*job]));
    jobs.chain(paths).collect()
}

fn outcome(spec: &workflow::Job, job: &JobState) -> PacketInput {
    PacketInput::Job {
        job: spec.id.clone(),
        attempt: job.attempt,
        commit: job.submission.as_ref().map(|submission| submission.commit.clone()),
        manifest: job.submission.as_ref().map(|submission| submission.manifest.digest),
        artifacts: job
            .live_artifacts()
            .map(|artifact| PacketOutput {
                name: artifact.name.clone(),
                path: artifact.path.clone(),
                content: artifact.content,
                author: artifact.author.clone(),
            })
            .collect(),
        verdict: job.live_verdict().map(finding),
    }
}

fn finding(verdict: &crate::run::event::VerdictRecorded) -> PacketFinding {
    PacketFinding {
        review: verdict.job.clone(),
        attempt: verdict.attempt,
        session: verdict.session,
        verdict: verdict.verdict,
        findings: verdict.findings,
    }
}

/// Why the work is done again: the last word of every review that sent this job back, or did not accept it while another sent it
/// back, unless it has spoken since.
fn revision(state: &State, index: usize) -> Vec<PacketFinding> {
    let (spec, job) = (state.spec(index), &state.jobs[index]);
    if job.attempt == 1 {
        return Vec::new();
    }
    let own_earlier = job
        .verdicts
        .last()
        .map(AsRef::as_ref)
        .filter(|_| spec.reviewer_context_policy == Some(ReviewContext::CrossRound));
    let sends_back = |review: &JobId| {
        let mut cycles = state.workflow().cycles.iter();
        cycles.any(|cycle| cycle.to == spec.id && cycle.from == *review)
    };
    let refused = state
        .jobs
        .iter()
        .filter(|review| review.status != JobStatus::Completed)
        .filter_map(|review| review.verdicts.last().map(AsRef::as_ref))
        .filter(|verdict| !verdict.verdict.is_accepting())
        .filter(|verdict| verdict.judged.iter().any(|it| it.job == spec.id) || sends_back(&verdict.job));
    refused.chain(own_earlier).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        digest::BlobRef,
        id::{ArtifactName, RoleId, RunId, SessionId},
        json,
        workflow::WriteMode,
    };

    #[test]
    fn whatever_is_in_a_packet_is_declared_in_order() {
        let (job, session) = (JobId::new("draft").unwrap(), SessionId::from_bytes([7; 16]));
        let (commit, blob) = (CommitId::new("0".repeat(40)).unwrap(), BlobRef::of(b"text"));
        let file = PacketText::File { path: "docs/a.md".to_owned(), content: blob };
        let finding = PacketFinding {
            attempt: 1,
            findings: Some(blob),
            review: job.clone(),
            session,
            verdict: Verdict::Reject,
        };
        let packet = Packet {
            answers: vec![PacketAnswer {
                answer: blob,
                by: Some(session),
                of: Some(job.clone()),
                question: 1,
                resume: Some("there".to_owned()),
                session,
                text: blob,
            }],
            attempt: 2,
            budget: Some(Budget { turns: Some(1), wall_seconds: Some(2), tokens: Some(3) }),
            context: Written::new(vec![file.clone()]),
            expected_artifacts: vec![PacketArtifact {
                kind: "text".to_owned(),
                name: "report".to_owned(),
                path: "docs/report.md".to_owned(),
                required: true,
            }],
            failure: Some(PacketFailure { attempt: 1, reason: Some(blob), session }),
            fence: Fence { run: RunId::from_bytes([1; 16]), job: job.clone(), epoch: 2, session },
            inputs: vec![PacketInput::Job {
                artifacts: vec![PacketOutput {
                    author: "author #1".to_owned(),
                    content: blob,
                    name: ArtifactName::new("report").unwrap(),
                    path: "docs/report.md".to_owned(),
                }],
                attempt: 1,
                commit: Some(commit.clone()),
                job: job.clone(),
                manifest: Some(blob.digest),
                verdict: Some(finding.clone()),
            }],
            lease_seconds: 60,
            may_ask: vec![job.clone()],
            objective: Written::new("Write \"it\".".to_owned()),
            prompt: Written::new(Some(PacketText::Inline("Do.".to_owned()))),
            question: Some(PacketQuestion { from: job, question: 2, text: blob }),
            review: Some(PacketReview { access: None, context: None, posture: None, verdicts: Verdict::ALL }),
            revision: vec![finding],
            role: Written::new(PacketRole {
                definition: Some(file),
                id: RoleId::new("author").unwrap(),
                summary: None,
            }),
            schema: "striatum.packet.v1",
            set_aside: Some(commit),
            title: Written::new(String::new()),
            kind: JobType::Draft,
            workflow: WorkflowId::new("w").unwrap(),
            write_scope: Written::new(WriteScope {
                mode: WriteMode::RepoWrite,
                allowed_paths: vec!["docs/".to_owned()],
                forbidden_paths: Vec::new(),
            }),
        };
        let mut text = Vec::new();
        json::write_in_order(&packet, &mut text).unwrap();
        assert_eq!(text, serde_jcs::to_vec(&packet).unwrap());
    }
}
