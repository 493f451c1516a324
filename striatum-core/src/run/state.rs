//! The state of a run: what its events add up to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rpds::HashTrieMapSync;

use crate::{
    digest::Digest,
    hash::Hash,
    id::{ChainId, CommitId, Fence, JobId, LaneId, RoleId, RunId, SessionId},
    run::{
        RunStatus,
        command::Owner,
        event::{BranchConfirmed, DecisionRecorded, EscalationRaised, Ruling, Usage},
    },
    time::Timestamp,
    transport::AgentIdentity,
    workflow::{self, Snapshot, Workflow},
};

mod job;
mod list;

pub use job::{FailedGrant, JobState, Lease, Question, Wait};

use list::List;

/// What the events of a run add up to.
///
/// Cloning is cheap: what is large lies behind pointers that the clone shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub(super) run: RunId,
    pub(super) chain: ChainId,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) version: u64,
    pub(super) status: Option<RunStatus>,
    pub(super) paused: bool,
    pub(super) branch: Option<Arc<BranchConfirmed>>,
    pub(super) jobs: List<JobState>,
    pub(super) open_jobs: usize,
    pub(super) held_jobs: usize,
    /// Binding reviews that are completed and want a revision.
    pub(super) dissents: BTreeSet<usize>,
    pub(super) sessions: HashTrieMapSync<SessionId, Session, Hash>,
    pub(super) iterations: Arc<BTreeMap<usize, Iterations>>,
    pub(super) decisions: Vec<Arc<DecisionRecorded>>,
    pub(super) escalations: Vec<Escalation>,
    /// By job and grant.
    pub(super) trees: Arc<[((usize, u32), Tree)]>,
    pub(super) begun_at: Option<Timestamp>,
    pub(super) record: Option<Digest>,
    pub(super) delivered: Option<CommitId>,
    /// The result that waits for leave to be delivered although it differs from what was judged, and the leave.
    pub(super) withheld: Option<Withheld>,
    pub(super) questions: u32,
    pub(super) used: Usage,
    /// How often the budget of the run was granted.
    pub(super) allotments: u32,
}

/// A delivery that was not made, because the result differs from what was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The commit that would have been delivered.
    pub commit: CommitId,
    /// How a principal ruled, if one has: whether it may be delivered all the same.
    pub ruling: Option<Ruling>,
}

/// A session of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its number in the run, from 1.
    pub ordinal: u32,
    /// Its role.
    pub role: RoleId,
    /// Its lane.
    pub lane: LaneId,
    /// The process that answers for it.
    pub owner: Owner,
    /// What its agent says of itself, if it said anything.
    pub agent: Option<AgentIdentity>,
}

/// How often a way back was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Iterations {
    /// How often, in all.
    pub taken: u32,
    /// How often beyond the document's limit, by leave of a principal.
    pub granted: u32,
}

/// Something that only a principal can resolve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// What was raised.
    pub raised: Arc<EscalationRaised>,
    /// Whether somebody was told.
    pub notified: bool,
    /// How a principal ruled, once one has.
    pub ruling: Option<Ruling>,
}

/// A work tree that was opened for a grant and is not yet known to be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The attempt it was opened at.
    pub attempt: u32,
    /// The holder.
    pub session: SessionId,
    /// When it was granted.
    pub granted_at: Timestamp,
}

/// A short list that its clones share, with another item.
fn with<T: Clone>(list: &[T], place: usize, item: T) -> Arc<[T]> {
    let (before, behind) = list.split_at(place);
    before.iter().cloned().chain([item]).chain(behind.iter().cloned()).collect()
}

impl State {
    /// A run that has no event yet and will execute this snapshot, recording it in this chain.
    pub fn new(chain: ChainId, run: RunId, snapshot: Arc<Snapshot>) -> Self {
        let jobs = List::filled(snapshot.workflow().jobs.len(), JobState::new());
        Self {
            run,
            chain,
            open_jobs: jobs.len(),
            held_jobs: 0,
            dissents: BTreeSet::new(),
            snapshot,
            version: 0,
            status: None,
            paused: false,
            branch: None,
            jobs,
            sessions: HashTrieMapSync::default(),
            iterations: Arc::default(),
            decisions: Vec::new(),
            escalations: Vec::new(),
            trees: Arc::default(),
            begun_at: None,
            record: None,
            delivered: None,
            withheld: None,
            questions: 0,
            used: Usage::default(),
            allotments: 1,
        }
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The chain that its events are in.
    pub fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// What it executes.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The workflow that it executes.
    pub fn workflow(&self) -> &Workflow {
        self.snapshot.workflow()
    }

    /// The number of its events.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Where it stands; `None` before it was prepared.
    pub fn status(&self) -> Option<RunStatus> {
        self.status
    }

    /// Whether no job is handed out for now.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Where its result goes, once that is settled.
    pub fn branch(&self) -> Option<&BranchConfirmed> {
        self.branch.as_deref()
    }

    /// The commit that was delivered.
    pub fn delivered(&self) -> Option<&CommitId> {
        self.delivered.as_ref()
    }

    /// The digest of the completion record, once it has ended.
    pub fn record(&self) -> Option<Digest> {
        self.record
    }

    /// The jobs in document order, each with its declaration.
    pub fn jobs(&self) -> impl ExactSizeIterator<Item = (&workflow::Job, &JobState)> {
        self.workflow().jobs.iter().zip(self.jobs.iter())
    }

    /// A job by its number in document order, with its declaration.
    pub(crate) fn at(&self, job: usize) -> (&workflow::Job, &JobState) {
        (self.spec(job), &self.jobs[job])
    }

    /// A job by its name.
    pub fn job(&self, id: &JobId) -> Option<&JobState> {
        self.snapshot.graph().index(id).map(|index| &self.jobs[index])
    }

    /// A session.
    pub fn session(&self, id: &SessionId) -> Option<&Session> {
        self.sessions.get(id)
    }

    /// The sessions so far, in no order.
    pub fn sessions(&self) -> impl ExactSizeIterator<Item = (SessionId, &Session)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    /// The decisions so far.
    pub fn decisions(&self) -> impl ExactSizeIterator<Item = &DecisionRecorded> {
        self.decisions.iter().map(AsRef::as_ref)
    }

    /// What the agents of the run have used so far.
    pub fn used(&self) -> &Usage {
        &self.used
    }

    /// The delivery that was not made, because the result differs from what was judged.
    pub fn withheld(&self) -> Option<&Withheld> {
        self.withheld.as_ref()
    }

    /// The questions that wait for an answer, each with its job.
    pub fn open_questions(&self) -> impl Iterator<Item = (&workflow::Job, &Question)> {
        self.jobs().filter_map(|(spec, job)| Some((spec, job.open_question()?)))
    }

    /// The escalations so far.
    pub fn escalations(&self) -> &[Escalation] {
        &self.escalations
    }

    /// When its first job was granted, by the clock of whoever granted it.
    pub fn begun_at(&self) -> Option<Timestamp> {
        self.begun_at
    }

    /// The fence under which a job is held now.
    pub fn fence(&self, job: &JobId) -> Option<Fence> {
        let state = self.job(job)?;
        let lease = state.lease.as_ref()?;
        Some(Fence { run: self.run, job: job.clone(), epoch: state.epoch, session: lease.session })
    }

    /// How many more jobs may be held at once.
    pub fn room(&self) -> u32 {
        let held = u32::try_from(self.held_jobs).unwrap_or(u32::MAX);
        self.workflow().parallelism.max_active_jobs.saturating_sub(held)
    }

    /// How often the way back to a job was taken.
    pub fn iterations(&self, target: &JobId) -> Iterations {
        self.snapshot.graph().index(target).map(|index| self.iterations_of(index)).unwrap_or_default()
    }

    /// The same, by the number of the job.
    pub(super) fn iterations_of(&self, target: usize) -> Iterations {
        self.iterations.get(&target).copied().unwrap_or_default()
    }

    /// An escalation by its number, from 1.
    pub(super) fn escalation(&self, number: u32) -> Option<&Escalation> {
        self.escalations.get((number as usize).checked_sub(1)?)
    }

    /// The work trees that are not yet known to be gone, with the fence of their grant.
    pub fn trees(&self) -> impl Iterator<Item = (Fence, &Tree)> {
        self.trees.iter().map(|((job, epoch), tree)| {
            let job = self.workflow().jobs[*job].id.clone();
            (Fence { run: self.run, job, epoch: *epoch, session: tree.session }, tree)
        })
    }

    /// Where the tree of a grant stands among them, or would.
    pub(super) fn tree(&self, job: usize, epoch: u32) -> Result<usize, usize> {
        self.trees.binary_search_by_key(&(job, epoch), |(grant, _)| *grant)
    }

    /// Keeps in mind that a tree was opened.
    pub(super) fn add_tree(&mut self, job: usize, epoch: u32, tree: Tree) {
        if let Err(place) = self.tree(job, epoch) {
            self.trees = with(&self.trees, place, ((job, epoch), tree));
        }
    }

    /// The jobs that a job may ask now, by their numbers: those before it that let themselves be asked, of which it may name some.
    pub(super) fn may_be_asked(&self, asker: usize) -> impl Iterator<Item = usize> {
        let is_completed = |job: &usize| self.jobs[*job].is_completed();
        self.snapshot.workflow().may_ask(self.snapshot.graph(), asker).into_iter().filter(is_completed)
    }

    /// Whether the fence holds its job now.
    pub fn is_live(&self, fence: &Fence) -> bool {
        self.snapshot.graph().index(&fence.job).is_some_and(|job| self.holds(job, fence))
    }

    /// Whether the fence, which names this job, holds it now.
    pub(super) fn holds(&self, job: usize, fence: &Fence) -> bool {
        let job = &self.jobs[job];
        let is_holder = job.lease.as_ref().is_some_and(|lease| lease.session == fence.session);
        is_holder && job.epoch == fence.epoch && self.run == fence.run
    }

    /// The number of the session that begins next.
    pub(super) fn next_ordinal(&self) -> u32 {
        u32::try_from(self.sessions.size()).unwrap_or(u32::MAX).saturating_add(1)
    }

    pub(super) fn spec(&self, job: usize) -> &workflow::Job {
        &self.snapshot.workflow().jobs[job]
    }

    /// Whether what waits for this job's acceptance may go on.
    pub(super) fn is_accepted(&self, job: usize) -> bool {
        self.jobs[job].is_accepted()
            || !self.snapshot.graph().is_binding(job) && self.jobs[job].is_completed()
    }

    /// The last ruling on a job at its present attempt, with its number.
    pub(super) fn ruling(&self, job: usize) -> Option<(u32, Ruling)> {
        let (id, attempt) = (&self.spec(job).id, self.jobs[job].attempt);
        let mut of_job = self.decisions.iter().rev().filter(|it| it.job == *id && it.attempt == attempt);
        of_job.next().map(|decision| (decision.decision, decision.ruling))
    }

    /// A job that is held, of the same parallel group as this one, that may write to the same place.
    pub(crate) fn held_scope(&self, job: usize) -> Option<usize> {
        let scope = &self.spec(job).write_scope;
        let companions = self.snapshot.graph().companions(job).iter().copied();
        let mut held = companions.filter(|other| *other != job && self.jobs[*other].status.is_held());
        held.find(|other| self.spec(*other).write_scope.overlaps(scope))
    }

    /// What a review judges, and then what that builds on, near or far; a job may come more than once.
    pub(super) fn judged_with_upstream(&self, review: usize) -> Vec<usize> {
        let graph = self.snapshot.graph();
        let judged = graph.inputs(review);
        let upstream = judged.iter().flat_map(|job| graph.all_upstream(*job));
        judged.iter().copied().chain(upstream).collect()
    }
}
