//! A run in a rehearsal: where it stands, and what a step makes of it.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    digest::BlobRef,
    id::{ChainId, CommandId, CommitId, Fence, InstanceId, RunId, SessionId},
    rehearsal::{
        fingerprint::Fingerprint,
        script::{Act, Answer, Step},
    },
    run::{
        Actor, Checkpoint, Claim, Command, DeliveryMode, Intent, JobState, JobStatus, LeaseReport, Outcome,
        Owner, Publication, Rejection, Resolution, Ruling, RunStatus, State, Submission, Submit, Usage,
        Verdict, plan,
    },
    sandbox::{Isolation, Level},
    time::Timestamp,
    transport::AgentIdentity,
    workflow::{Budget, FrozenFile, InvalidSnapshot, Job, Snapshot, Workflow},
};

/// Nothing that follows depends on the time, so it stands still.
const NOW: Timestamp = Timestamp::from_micros(0);

/// A run, with what is needed to go on with it.
#[derive(Debug, Clone)]
pub(super) struct Position {
    state: State,
    fingerprint: Fingerprint,
    /// The jobs that somebody can do something about, each behind what it waits for.
    open: BTreeSet<(usize, usize)>,
    sessions: u64,
    commands: u64,
    /// Whether a principal has added grants.
    pub(super) is_assisted: bool,
    /// Whether somebody has done something because of which exits may be lost.
    pub(super) is_harmed: bool,
    /// Whether every agent has done well.
    pub(super) is_flawless: bool,
}

/// Who is to do the next step for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Claimant,
    Holder,
    Principal,
    Nobody,
}

const fn turn(status: JobStatus) -> Turn {
    match status {
        JobStatus::Ready => Turn::Claimant,
        JobStatus::Claimed | JobStatus::Running => Turn::Holder,
        JobStatus::AwaitingInput | JobStatus::WaitingHuman | JobStatus::Blocked | JobStatus::Parked => {
            Turn::Principal
        }
        JobStatus::Pending
        | JobStatus::Completed
        | JobStatus::Skipped
        | JobStatus::Failed
        | JobStatus::Canceled
        | JobStatus::Quarantined => Turn::Nobody,
    }
}

impl Position {
    /// A run of a workflow that has no event yet. The files that the workflow refers to are taken to be there.
    pub(super) fn before(workflow: &Workflow) -> Result<Self, InvalidSnapshot> {
        let files = workflow.referenced_files().map(|file| FrozenFile {
            path: file.path.to_owned(),
            content: BlobRef::of(file.path.as_bytes()),
        });
        let snapshot = Snapshot::new(workflow.clone(), base(), files.collect())?;
        let state = State::new(chain(), RunId::from_bytes([0; 16]), Arc::new(snapshot));
        Ok(Self {
            fingerprint: Fingerprint::of(&state),
            state,
            open: BTreeSet::new(),
            sessions: 0,
            commands: 0,
            is_assisted: false,
            is_harmed: false,
            is_flawless: true,
        })
    }

    /// Prepares and starts the run.
    pub(super) fn begin(&mut self) -> Result<(), Rejection> {
        let branch = self.state.workflow().branch.suggested_name.clone();
        let begin = [Intent::Prepare, Intent::ConfirmBranch { branch, at: None }, Intent::Start];
        self.give(&principal(), begin.into()).map(drop)
    }

    /// Does a step, and tells which jobs it touched. A step that is refused changes nothing.
    pub(super) fn play(&mut self, step: Step) -> Result<Vec<usize>, Rejection> {
        match step {
            Step::Claim(job) => {
                self.sessions += 1;
                let claim = self.claim(job);
                self.give(&agent(), vec![Intent::Claim(claim)])
            }
            Step::Act(job, act) => {
                let intent = self.ending(job, act).ok_or_else(|| self.unheld(job))?;
                let touched = self.give(&agent(), vec![intent])?;
                self.is_harmed |= act.is_harmful();
                self.is_flawless &= act.is_good();
                Ok(touched)
            }
            Step::Answer(job, answer) => {
                let adds = self.adds_grants(job, answer);
                let touched = self.give(&principal(), self.answering(job, answer))?;
                self.is_assisted |= adds;
                self.is_harmed |= answer == Answer::Cancel;
                Ok(touched)
            }
            Step::Settle(escalation, answer) => {
                let accept = Intent::Settle { escalation, ruling: Ruling::Accept, rationale: None };
                let intent = if answer == Answer::Cancel { Intent::Cancel { reason: None } } else { accept };
                let touched = self.give(&principal(), vec![intent])?;
                self.is_assisted |= answer != Answer::Cancel;
                self.is_harmed |= answer == Answer::Cancel;
                Ok(touched)
            }
            Step::Retry(job) => {
                let job = self.spec(job).id.clone();
                let touched = self.give(&principal(), vec![Intent::Retry { job }])?;
                self.is_assisted = true;
                Ok(touched)
            }
        }
    }

    /// Gives commands of which all apply or none.
    fn give(&mut self, actor: &Actor, intents: Vec<Intent>) -> Result<Vec<usize>, Rejection> {
        let mut state = Arc::new(self.state.clone());
        let mut touched = Vec::new();
        for intent in intents {
            self.commands += 1;
            let id = CommandId::from_bytes(u128::from(self.commands).to_be_bytes());
            let planned = plan(&state, &Command { id, actor: actor.clone(), intent }, NOW)?;
            state = planned.state;
            touched.extend(planned.touched.jobs);
        }
        touched.sort_unstable();
        touched.dedup();
        self.state = Arc::unwrap_or_clone(state);
        for &job in &touched {
            let (_, now) = self.state.at(job);
            self.fingerprint.update(&self.state, job);
            let place = (self.state.snapshot().graph().rank(job), job);
            match turn(now.status) {
                Turn::Nobody => self.open.remove(&place),
                Turn::Claimant | Turn::Holder | Turn::Principal => self.open.insert(place),
            };
        }
        Ok(touched)
    }

    fn claim(&self, job: usize) -> Claim {
        Claim {
            job: self.spec(job).id.clone(),
            session: SessionId::from_bytes(u128::from(self.sessions).to_be_bytes()),
            owner: Owner::unproven(InstanceId::from_bytes([0; 16])),
            mode: DeliveryMode::Push,
            isolation: Isolation::uniform(Level::Advisory),
        }
    }

    /// What the agent that holds a job has the shell say.
    fn ending(&self, job: usize, act: Act) -> Option<Intent> {
        let fence = self.state.fence(&self.spec(job).id)?;
        let report = |fence| LeaseReport::new(fence);
        Some(match act {
            Act::Done => Intent::Submit(self.submit(job, fence, Outcome::Done)),
            Act::Judge(verdict) => {
                let findings = Some(BlobRef::of(b"findings"));
                Intent::Submit(self.submit(job, fence, Outcome::Verdict { verdict, findings }))
            }
            Act::Release => Intent::Release(report(fence)),
            Act::Lose => Intent::Crash(report(fence)),
            Act::Expire => Intent::Expire { fence },
            Act::Fail => Intent::Fail(report(fence)),
            Act::Block(severity) => Intent::Block { report: report(fence), severity },
            Act::Ask => Intent::Ask {
                report: report(fence),
                question: BlobRef::of(b"question"),
                resume: None,
                of: None,
            },
            Act::Spend => {
                let usage = Some(self.budgets(job));
                Intent::Crash(LeaseReport { usage, ..report(fence) })
            }
        })
    }

    /// The end of a grant of an agent that is what its lane declares, and leaves what its packet asks for.
    fn submit(&self, job: usize, fence: Fence, outcome: Outcome) -> Submit {
        let (spec, state) = self.state.at(job);
        let artifacts = self.artifacts(job);
        let lane = self.state.workflow().lanes.get(&spec.lane_id);
        let model = lane.and_then(|lane| lane.display_model.clone());
        let base = self.state.snapshot().base().clone();
        let manifest = BlobRef::of(words(spec, state).as_bytes());
        Submit {
            submission: Some(Submission { commit: base.clone(), base, manifest }),
            changed_paths: artifacts.iter().map(|artifact| artifact.path.clone()).collect(),
            artifacts,
            agent: model.map(|model| AgentIdentity { model: Some(model), ..AgentIdentity::default() }),
            ..Submit::new(fence, outcome)
        }
    }

    /// What uses up the budget of a job, and of the run.
    fn budgets(&self, job: usize) -> Usage {
        let budgets = [self.spec(job).budget.as_ref(), self.state.workflow().budget.as_ref()];
        let most = |of: fn(&Budget) -> Option<u64>| budgets.into_iter().flatten().filter_map(of).max();
        Usage {
            wall_ms: most(|budget| budget.wall_seconds).unwrap_or(0).saturating_mul(1000),
            input_tokens: most(|budget| budget.tokens),
            output_tokens: None,
            turns: most(|budget| budget.turns),
        }
    }

    /// The artifacts that a job must leave at its present attempt, unlike those of any other grant.
    fn artifacts(&self, job: usize) -> Vec<Publication> {
        let (spec, state) = self.state.at(job);
        let content = BlobRef::of(words(spec, state).as_bytes());
        let required = spec.expected_artifacts.iter().filter(|artifact| artifact.required);
        let named = required.filter_map(|artifact| {
            Some(Publication {
                name: artifact.name_at(state.attempt)?,
                path: artifact.path_at(state.attempt),
                content,
            })
        });
        named.collect()
    }

    fn answering(&self, job: usize, answer: Answer) -> Vec<Intent> {
        let id = self.spec(job).id.clone();
        let resolve = |resolution| Intent::Resolve { job: id.clone(), resolution };
        let question = self.job(job).open_question().map(|asked| asked.number);
        match answer {
            Answer::Continue => {
                if let Some(question) = question {
                    return vec![Intent::Answer { question, answer: BlobRef::of(b"answer") }];
                }
                let artifacts = if self.is_planned(job) { self.artifacts(job) } else { Vec::new() };
                vec![resolve(Resolution::Continue { artifacts })]
            }
            Answer::Override => {
                let decision = u32::try_from(self.state.decisions().len()).unwrap_or(u32::MAX);
                let rationale = BlobRef::of(b"rationale");
                vec![
                    Intent::Decide { job: id.clone(), ruling: Ruling::Accept, rationale },
                    resolve(Resolution::Override { decision: decision.saturating_add(1) }),
                ]
            }
            Answer::Resume => vec![resolve(Resolution::Resume)],
            Answer::Cancel => vec![resolve(Resolution::Cancel)],
        }
    }

    /// Whether an answer lets a job be handed out more often than the workflow alone does.
    pub(super) fn adds_grants(&self, job: usize, answer: Answer) -> bool {
        match answer {
            Answer::Continue => !self.is_planned(job),
            Answer::Resume => true,
            // Leave for an agent that is doubted lets it be handed the job again.
            Answer::Override => self.job(job).checkpoint == Some(Checkpoint::Identity),
            Answer::Cancel => false,
        }
    }

    pub(super) fn is_planned(&self, job: usize) -> bool {
        self.job(job).checkpoint == Some(Checkpoint::Planned)
    }

    /// The escalation that the run is paused for, if it is.
    pub(super) fn escalation(&self) -> Option<u32> {
        let mut open = self.state.escalations().iter().filter(|it| it.ruling.is_none());
        open.next().filter(|_| self.state.is_paused()).map(|escalation| escalation.raised.escalation)
    }

    /// Whether a job, or the run, has a budget to use up.
    pub(super) fn has_budget(&self, job: usize) -> bool {
        self.spec(job).budget.is_some() || self.state.workflow().budget.is_some()
    }

    fn unheld(&self, job: usize) -> Rejection {
        let (spec, state) = self.state.at(job);
        Rejection::JobStatus { job: spec.id.clone(), status: state.status }
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn spec(&self, job: usize) -> &Job {
        self.state.at(job).0
    }

    pub(super) fn job(&self, job: usize) -> &JobState {
        self.state.at(job).1
    }

    /// Whether a job has ended, and is not waited for: a review that wants a revision is, until its cohort has spoken.
    pub(super) fn is_over(&self, job: usize) -> bool {
        let state = self.job(job);
        let dissents = state.live_verdict().is_some_and(|said| said.verdict == Verdict::NeedsRevision);
        state.status.is_terminal() && !dissents
    }

    /// How the run ended, if it has.
    pub(super) fn end(&self) -> Option<RunStatus> {
        self.state.status().filter(|status| status.has_ended())
    }

    /// The jobs that may be claimed, if there is room for one.
    pub(super) fn ready(&self) -> impl Iterator<Item = usize> {
        self.turn_of(Turn::Claimant).filter(|_| self.state.room() > 0 && !self.state.is_paused())
    }

    /// The jobs that an agent holds.
    pub(super) fn held(&self) -> impl Iterator<Item = usize> {
        self.turn_of(Turn::Holder)
    }

    /// The jobs that a principal is asked about.
    pub(super) fn asking(&self) -> impl Iterator<Item = usize> {
        self.turn_of(Turn::Principal)
    }

    fn turn_of(&self, whose: Turn) -> impl Iterator<Item = usize> {
        let jobs = self.open.iter().map(|(_, job)| *job);
        jobs.filter(move |job| turn(self.job(*job).status) == whose)
    }

    /// A number that is the same for all positions from which the same can follow.
    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint.number(&self.state)
    }
}

/// What tells one grant from all others.
fn words(spec: &Job, state: &JobState) -> String {
    format!("{} {} {}", spec.id, state.attempt, state.epoch)
}

fn agent() -> Actor {
    Actor::Service("rehearsal".to_owned())
}

fn principal() -> Actor {
    Actor::Human("rehearsal".to_owned())
}

#[expect(clippy::expect_used, reason = "forty zeros are a commit id")]
fn base() -> CommitId {
    CommitId::new("0".repeat(40)).expect("forty zeros are a commit id")
}

#[expect(clippy::expect_used, reason = "the text is a name")]
fn chain() -> ChainId {
    ChainId::new("rehearsal").expect("the text is a name")
}
