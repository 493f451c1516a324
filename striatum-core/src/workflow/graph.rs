//! The forward graph of a workflow, by job index.

use std::collections::HashSet;

use petgraph::{algo::kosaraju_scc, graph::DiGraph, visit::Topo};

use crate::{
    hash::HashMap,
    id::JobId,
    workflow::{JobType, Workflow},
};

mod panel;

use panel::Panels;
pub use panel::WayBack;

/// Who stands before and behind whom, with jobs numbered in document order. Ways back are not part of it, so it is acyclic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    index: HashMap<JobId, usize>,
    upstream: Vec<Vec<usize>>,
    downstream: Vec<Vec<usize>>,
    /// The jobs that a job names as its inputs, if it names some.
    named: HashMap<usize, Vec<usize>>,
    order: Vec<usize>,
    rank: Vec<usize>,
    is_exit: Vec<bool>,
    /// Whether what is behind a job waits for its acceptance, unless it adjudicates.
    is_binding: Vec<bool>,
    is_adjudicator: Vec<bool>,
    panels: Panels,
}

/// Why the jobs and edges of a document are no graph that can be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsoundGraph {
    /// Two jobs have one id.
    #[error("job {0} is declared twice")]
    Duplicate(JobId),
    /// An edge, a cycle or a phase names a job that is not there.
    #[error("there is no job {0}")]
    Unknown(JobId),
    /// Some jobs wait for one another.
    #[error("jobs wait for one another: {}", jobs.iter().map(JobId::as_str).collect::<Vec<_>>().join(" → "))]
    Cyclic {
        /// The jobs of one such ring, each before the one that waits for it; the first is repeated at the end.
        jobs: Vec<JobId>,
    },
}

impl Graph {
    /// Builds the graph of a workflow's jobs and edges. An edge that is declared twice counts once; the synthesis of a phase
    /// stands behind all other jobs of it, declared or not.
    ///
    /// # Errors
    /// [`UnsoundGraph`].
    pub fn new(workflow: &Workflow) -> Result<Self, UnsoundGraph> {
        let mut index = HashMap::with_capacity_and_hasher(workflow.jobs.len(), Default::default());
        for (position, job) in workflow.jobs.iter().enumerate() {
            if index.insert(job.id.clone(), position).is_some() {
                return Err(UnsoundGraph::Duplicate(job.id.clone()));
            }
        }
        let find = |id: &JobId| index.get(id).copied().ok_or_else(|| UnsoundGraph::Unknown(id.clone()));
        let mut upstream = vec![Vec::new(); workflow.jobs.len()];
        let mut downstream = upstream.clone();
        for edge in &workflow.edges {
            let (from, to) = (find(&edge.from)?, find(&edge.to)?);
            upstream[to].push(from);
            downstream[from].push(to);
        }
        let mut adjudicators = HashMap::with_capacity_and_hasher(workflow.phases.len(), Default::default());
        for phase in &workflow.phases {
            adjudicators.insert(&phase.id, find(&phase.synthesis_job_id)?);
        }
        for (from, job) in workflow.jobs.iter().enumerate() {
            let adjudicator = job.phase_id.as_ref().and_then(|phase| adjudicators.get(phase));
            if let Some(to) = adjudicator.copied().filter(|to| *to != from) {
                upstream[to].push(from);
                downstream[from].push(to);
            }
        }
        for cycle in &workflow.cycles {
            find(&cycle.from).and(find(&cycle.to))?;
        }
        // Document order, whatever the order of the edges: it is the order in which submissions are merged.
        for jobs in upstream.iter_mut().chain(&mut downstream) {
            jobs.sort_unstable();
            jobs.dedup();
        }

        let graph = DiGraph::<(), (), usize>::from_edges(
            downstream.iter().enumerate().flat_map(|(from, behind)| behind.iter().map(move |to| (from, *to))),
        );
        // Not Tarjan's algorithm: petgraph's is recursive, and a long chain of jobs would exhaust the stack.
        if let Some(ring) = kosaraju_scc(&graph)
            .into_iter()
            .map(|ring| ring.into_iter().map(|node| node.index()).collect::<Vec<_>>())
            .find(|ring| ring.len() > 1 || downstream[ring[0]].contains(&ring[0]))
        {
            let jobs =
                ring_path(&ring, &downstream).into_iter().map(|job| workflow.jobs[job].id.clone()).collect();
            return Err(UnsoundGraph::Cyclic { jobs });
        }
        let mut topo = Topo::new(&graph);
        let mut order: Vec<usize> =
            std::iter::from_fn(|| topo.next(&graph)).map(|node| node.index()).collect();
        // Jobs without any edge behind the last one that has some are not nodes of `graph`.
        order.extend(graph.node_count()..workflow.jobs.len());
        let mut rank = vec![0; order.len()];
        for (place, job) in order.iter().enumerate() {
            rank[*job] = place;
        }
        let jobs = &workflow.jobs;
        Ok(Self {
            is_exit: exits(workflow, &order, &downstream),
            is_binding: jobs.iter().map(|job| job.kind.is_verdict_capable() && !job.is_advisory()).collect(),
            is_adjudicator: jobs.iter().map(|job| job.kind == JobType::PhaseSynthesis).collect(),
            panels: Panels::of(workflow, &index, &upstream),
            named: named(workflow, &index),
            index,
            upstream,
            downstream,
            order,
            rank,
        })
    }

    /// The number of a job.
    pub fn index(&self, job: &JobId) -> Option<usize> {
        self.index.get(job).copied()
    }

    /// The number of the job with this name, if the text is the name of one.
    pub fn index_of(&self, text: &str) -> Option<usize> {
        self.index.get(text).copied()
    }

    /// The jobs directly before a job, in document order.
    pub fn upstream(&self, job: usize) -> &[usize] {
        &self.upstream[job]
    }

    /// The jobs directly behind a job, in document order.
    pub fn downstream(&self, job: usize) -> &[usize] {
        &self.downstream[job]
    }

    /// The jobs whose outcome a job builds on, or judges: those named as its inputs, else all directly before it.
    pub fn inputs(&self, job: usize) -> &[usize] {
        self.named.get(&job).unwrap_or(&self.upstream[job])
    }

    /// Every job, each behind all that it waits for.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The place of a job in that order.
    pub fn rank(&self, job: usize) -> usize {
        self.rank[job]
    }

    /// The exits of the workflow: jobs that nothing waits for but advisory reviews, which are none themselves.
    pub fn exits(&self) -> impl Iterator<Item = usize> {
        (0..self.is_exit.len()).filter(|job| self.is_exit[*job])
    }

    /// Whether a job is an exit.
    pub fn is_exit(&self, job: usize) -> bool {
        self.is_exit[job]
    }

    /// Whether the edge between two jobs wants an accepting verdict of the first, and not only its completion: it leaves a
    /// review or a phase synthesis, not an advisory one, and does not enter a phase synthesis, which is to see dissent.
    pub fn needs_acceptance(&self, from: usize, to: usize) -> bool {
        self.is_binding[from] && !self.is_adjudicator[to]
    }

    /// Whether what is behind a job waits for its acceptance, wherever the edge does not enter a phase synthesis.
    pub fn is_binding(&self, job: usize) -> bool {
        self.is_binding[job]
    }

    /// Whether a job is a review that a phase synthesis weighs: it binds, and leads nowhere else.
    pub fn is_adjudicated(&self, job: usize) -> bool {
        let behind = self.downstream(job);
        let leads_to_adjudicators =
            !behind.is_empty() && behind.iter().all(|next| self.is_adjudicator[*next]);
        self.is_binding[job] && !self.is_adjudicator[job] && leads_to_adjudicators
    }

    /// Every job behind a job, near or far, without the job itself, in topological order.
    pub fn all_downstream(&self, job: usize) -> Vec<usize> {
        self.reach(job, &self.downstream)
    }

    /// Every job before a job, near or far, without the job itself, in topological order.
    pub fn all_upstream(&self, job: usize) -> Vec<usize> {
        self.reach(job, &self.upstream)
    }

    fn reach(&self, job: usize, next: &[Vec<usize>]) -> Vec<usize> {
        if next[job].is_empty() {
            return Vec::new();
        }
        let mut seen = vec![false; next.len()];
        let mut open = next[job].clone();
        while let Some(job) = open.pop() {
            if !std::mem::replace(&mut seen[job], true) {
                open.extend(&next[job]);
            }
        }
        self.order.iter().copied().filter(|job| seen[*job]).collect()
    }
}

fn named(workflow: &Workflow, index: &HashMap<JobId, usize>) -> HashMap<usize, Vec<usize>> {
    let inputs = workflow.jobs.iter().map(|job| job.inputs.iter());
    let named = inputs.map(|inputs| inputs.filter_map(|input| index.get(input.as_str()).copied()).collect());
    named.enumerate().filter(|(_, jobs): &(_, Vec<_>)| !jobs.is_empty()).collect()
}

fn exits(workflow: &Workflow, order: &[usize], downstream: &[Vec<usize>]) -> Vec<bool> {
    let is_advisory = |job: usize| workflow.jobs[job].is_advisory();
    // Whether something that is not advisory waits for a job, near or far.
    let mut leads_on = vec![false; downstream.len()];
    for &job in order.iter().rev() {
        leads_on[job] = downstream[job].iter().any(|behind| !is_advisory(*behind) || leads_on[*behind]);
    }
    (0..downstream.len()).map(|job| !is_advisory(job) && !leads_on[job]).collect()
}

fn ring_path(ring: &[usize], downstream: &[Vec<usize>]) -> Vec<usize> {
    let members: HashSet<usize> = ring.iter().copied().collect();
    let mut path = vec![ring[0]];
    let mut place = HashMap::from_iter([(ring[0], 0)]);
    loop {
        let last = path[path.len() - 1];
        // Inside a strongly connected component every job has a successor in it.
        let Some(next) = downstream[last].iter().copied().find(|job| members.contains(job)) else {
            return path;
        };
        path.push(next);
        if let Some(start) = place.insert(next, path.len() - 1) {
            path.drain(..start);
            return path;
        }
    }
}
