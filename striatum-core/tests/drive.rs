//! Drives a run by commands, as a shell would, with a clock that stands still.

use std::sync::Arc;

use bytes::Bytes;
use striatum_core::{
    digest::{BlobRef, Digest},
    id::{ArtifactName, ChainId, CommandId, CommitId, Fence, InstanceId, JobId, RunId, SessionId},
    run::{
        Actor, Claim, Command, CommandRef, DeliveryMode, Event, Intent, JobState, JobStatus, LeaseReport,
        Outcome, Owner, Packet, Publication, Record, Rejection, Resolution, Ruling, RunStatus, State,
        Submission, Submit, Verdict, decide, evolve,
    },
    sandbox::{Isolation, Level},
    time::Timestamp,
    workflow::Snapshot,
};

use crate::document::{Document, commit};

pub(crate) const RUN: RunId = RunId::from_bytes([7; 16]);
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

pub(crate) fn ada() -> Actor {
    Actor::Human("ada".to_owned())
}

pub(crate) fn bot() -> Actor {
    Actor::Service("bot".to_owned())
}

pub(crate) fn chain() -> ChainId {
    ChainId::new("repository").unwrap()
}

pub(crate) fn job(id: &str) -> JobId {
    JobId::new(id).unwrap()
}

pub(crate) fn session(n: u64) -> SessionId {
    SessionId::from_bytes(u128::from(n).to_be_bytes())
}

pub(crate) fn command_id(n: u64) -> CommandId {
    CommandId::from_bytes(u128::from(n).to_be_bytes())
}

pub(crate) fn blob(text: &str) -> BlobRef {
    BlobRef::of(text.as_bytes())
}

pub(crate) fn owner() -> Owner {
    Owner {
        instance: InstanceId::from_bytes([9; 16]),
        host: "host".to_owned(),
        boot: "boot".to_owned(),
        pid: 1,
        started: "1".to_owned(),
    }
}

pub(crate) fn claim(id: &str, by: SessionId, mode: DeliveryMode) -> Claim {
    Claim { job: job(id), session: by, owner: owner(), mode, isolation: Isolation::uniform(Level::Advisory) }
}

/// A run with the log that it was made of.
#[derive(Debug, Clone)]
pub(crate) struct Drive {
    pub(crate) state: State,
    pub(crate) log: Vec<Bytes>,
    commands: u64,
    sessions: u64,
}

impl Drive {
    /// A run without events.
    pub(crate) fn empty(document: &Document) -> Self {
        Self::of(document.snapshot())
    }

    pub(crate) fn of(snapshot: Snapshot) -> Self {
        Self::over(State::new(chain(), RUN, Arc::new(snapshot)))
    }

    /// A run as it stands.
    pub(crate) fn over(state: State) -> Self {
        Self { state, log: Vec::new(), commands: 0, sessions: 0 }
    }

    /// A run that was prepared and whose branch is confirmed.
    pub(crate) fn ready(document: &Document) -> Self {
        let mut run = Self::empty(document);
        run.must(Intent::Prepare);
        run.must(Intent::ConfirmBranch { branch: "striatum/w".to_owned(), at: None });
        run
    }

    /// A run that was started.
    pub(crate) fn started(document: &Document) -> Self {
        let mut run = Self::ready(document);
        run.must(Intent::Start);
        run
    }

    /// Gives a command. What is decided is folded and logged; folding must succeed.
    pub(crate) fn give(&mut self, actor: Actor, intent: Intent) -> Result<Vec<Event>, Rejection> {
        self.commands += 1;
        let command = Command { id: command_id(self.commands), actor, intent };
        let events = decide(&self.state, &command, NOW)?;
        for event in &events {
            evolve(&mut self.state, event).unwrap_or_else(|illegal| panic!("{illegal}: {event:?}"));
            let record = Record {
                run: RUN,
                n: self.state.version(),
                command: CommandRef::of(&command),
                actor: command.actor.clone(),
                event: event.clone(),
            };
            self.log.push(record.encode().unwrap());
        }
        Ok(events)
    }

    /// A command of a person.
    pub(crate) fn try_to(&mut self, intent: Intent) -> Result<Vec<Event>, Rejection> {
        self.give(ada(), intent)
    }

    /// A command of a person that is not refused; returns the kinds of its events.
    #[track_caller]
    pub(crate) fn must(&mut self, intent: Intent) -> Vec<&'static str> {
        let name = intent.name();
        let events = self.try_to(intent).unwrap_or_else(|refused| panic!("{name}: {refused}"));
        events.iter().map(Event::kind).collect()
    }

    /// The run after a command of a person.
    pub(crate) fn also(mut self, intent: Intent) -> Self {
        self.must(intent);
        self
    }

    /// The code of a refusal. Nothing has happened.
    #[track_caller]
    pub(crate) fn refused(&mut self, actor: Actor, intent: Intent) -> &'static str {
        let (before, name) = (self.state.clone(), intent.name());
        match self.give(actor, intent) {
            Ok(events) => panic!("{name} was not refused: {events:?}"),
            Err(refused) => {
                assert_eq!(self.state, before);
                refused.code()
            }
        }
    }

    pub(crate) fn fresh(&mut self) -> SessionId {
        self.sessions += 1;
        session(self.sessions)
    }

    /// Claims a job by push with a new session; returns the fence.
    #[track_caller]
    pub(crate) fn claim(&mut self, id: &str) -> Fence {
        let by = self.fresh();
        self.claim_by(id, by, DeliveryMode::Push).unwrap_or_else(|refused| panic!("claim {id}: {refused}"))
    }

    pub(crate) fn claim_by(
        &mut self,
        id: &str,
        by: SessionId,
        mode: DeliveryMode,
    ) -> Result<Fence, Rejection> {
        self.give(bot(), Intent::Claim(claim(id, by, mode)))?;
        let fence = self.state.fence(&job(id)).unwrap();
        let packet = Packet::of(&self.state, &fence).unwrap();
        let lease = self.job(id).lease.as_ref().unwrap();
        assert_eq!(packet.digest(), lease.packet, "the packet of {fence} is the one that was granted");
        Ok(fence)
    }

    /// The artifacts that a job must leave at its present attempt; the bytes name grant and attempt.
    pub(crate) fn artifacts(&self, id: &str) -> Vec<Publication> {
        let state = self.job(id);
        let words = format!("{id} at {}.{}", state.attempt, state.epoch);
        vec![self.artifact(id, &words)]
    }

    pub(crate) fn artifact(&self, id: &str, words: &str) -> Publication {
        let attempt = self.job(id).attempt;
        Publication {
            name: ArtifactName::new(format!("{id}_cycle_{attempt}")).unwrap(),
            path: format!("out/{id}/cycle_{attempt}.md"),
            content: blob(words),
        }
    }

    pub(crate) fn submit(&self, fence: &Fence, outcome: Outcome) -> Submit {
        let id = fence.job.as_str();
        let work = format!("{id} {} {}", self.job(id).attempt, fence.epoch);
        let submission = Submission { base: commit(0), commit: of_text(&work), manifest: blob(&work) };
        Submit {
            fence: fence.clone(),
            artifacts: self.artifacts(id),
            submission: Some(submission),
            changed_paths: self.artifacts(id).into_iter().map(|artifact| artifact.path).collect(),
            outcome,
            agent: None,
            exit: None,
            usage: None,
        }
    }

    /// Ends a job with its work done.
    #[track_caller]
    pub(crate) fn done(&mut self, fence: &Fence) -> Vec<&'static str> {
        let submit = self.submit(fence, Outcome::Done);
        self.must(Intent::Submit(submit))
    }

    /// Ends a review.
    #[track_caller]
    pub(crate) fn judge(&mut self, fence: &Fence, verdict: Verdict) -> Vec<&'static str> {
        let submit = self.submit(fence, Outcome::Verdict { verdict, findings: Some(blob("findings")) });
        self.must(Intent::Submit(submit))
    }

    /// Claims jobs and ends them with their work done or an accepting verdict.
    #[track_caller]
    pub(crate) fn complete(&mut self, ids: &[&str]) {
        for id in ids {
            let fence = self.claim(id);
            match self.state.workflow().job(&job(id)).unwrap().kind.is_verdict_capable() {
                true => self.judge(&fence, Verdict::Accept),
                false => self.done(&fence),
            };
        }
    }

    /// Claims a review and ends it.
    #[track_caller]
    pub(crate) fn review(&mut self, id: &str, verdict: Verdict) -> Vec<&'static str> {
        let fence = self.claim(id);
        self.judge(&fence, verdict)
    }

    /// Claims a job and loses the grant.
    #[track_caller]
    pub(crate) fn lose(&mut self, id: &str) -> Vec<&'static str> {
        let fence = self.claim(id);
        self.must(Intent::Crash(LeaseReport::new(fence)))
    }

    /// Claims a job and reports that it failed.
    #[track_caller]
    pub(crate) fn fail(&mut self, id: &str) -> Vec<&'static str> {
        let fence = self.claim(id);
        self.must(Intent::Fail(LeaseReport::new(fence)))
    }

    /// Records a ruling; returns its number.
    #[track_caller]
    pub(crate) fn rule(&mut self, id: &str, ruling: Ruling) -> u32 {
        self.must(Intent::Decide { job: job(id), ruling, rationale: blob("because") });
        u32::try_from(self.state.decisions().len()).unwrap()
    }

    #[track_caller]
    pub(crate) fn resolve(&mut self, id: &str, resolution: Resolution) -> Vec<&'static str> {
        self.must(Intent::Resolve { job: job(id), resolution })
    }

    pub(crate) fn job(&self, id: &str) -> &JobState {
        self.state.job(&job(id)).unwrap()
    }

    pub(crate) fn status(&self) -> RunStatus {
        self.state.status().unwrap()
    }

    /// The jobs' statuses, for comparison: `a ready, b pending`.
    pub(crate) fn show(&self) -> String {
        let jobs = self.state.jobs().map(|(spec, job)| format!("{} {}", spec.id, job.status));
        jobs.collect::<Vec<_>>().join(", ")
    }

    #[track_caller]
    pub(crate) fn expect(&self, id: &str, status: JobStatus, attempt: u32) {
        let job = self.job(id);
        assert_eq!((job.status, job.attempt), (status, attempt), "{id}: {}", self.show());
    }
}

/// A resolution that goes on with nothing published.
pub(crate) fn go_on() -> Resolution {
    Resolution::Continue { artifacts: Vec::new() }
}

fn of_text(text: &str) -> CommitId {
    CommitId::new(&Digest::of(text.as_bytes()).to_string()[..40]).unwrap()
}
