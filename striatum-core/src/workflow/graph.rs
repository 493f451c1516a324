//! The forward graph of a workflow, by job index.

use std::collections::{HashMap, HashSet};

use petgraph::{algo::kosaraju_scc, graph::DiGraph, visit::Topo};

use crate::{id::JobId, workflow::Workflow};

/// Who stands before and behind whom, with jobs numbered in document order. Ways back are not part of it, so it is acyclic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    index: HashMap<JobId, usize>,
    upstream: Vec<Vec<usize>>,
    downstream: Vec<Vec<usize>>,
    order: Vec<usize>,
    rank: Vec<usize>,
}

/// Why the jobs and edges of a document are no graph that can be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsoundGraph {
    /// Two jobs have one id.
    #[error("job {0} is declared twice")]
    Duplicate(JobId),
    /// An edge or a cycle names a job that is not there.
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
    /// Builds the graph of a workflow's jobs and edges. An edge that is declared twice counts once.
    ///
    /// # Errors
    /// [`UnsoundGraph`].
    pub fn new(workflow: &Workflow) -> Result<Self, UnsoundGraph> {
        let mut index = HashMap::with_capacity(workflow.jobs.len());
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
        Ok(Self { index, upstream, downstream, order, rank })
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

    /// Every job, each behind all that it waits for.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The place of a job in that order.
    pub fn rank(&self, job: usize) -> usize {
        self.rank[job]
    }

    /// Jobs that nothing waits for: the exits of the workflow.
    pub fn exits(&self) -> impl Iterator<Item = usize> {
        (0..self.downstream.len()).filter(|job| self.downstream[*job].is_empty())
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

fn ring_path(ring: &[usize], downstream: &[Vec<usize>]) -> Vec<usize> {
    let members: HashSet<usize> = ring.iter().copied().collect();
    let mut path = vec![ring[0]];
    let mut place = HashMap::from([(ring[0], 0)]);
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
