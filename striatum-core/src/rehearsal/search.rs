//! Playing a workflow in every way that a script allows.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use crate::{
    rehearsal::{
        Finding, FindingCode, JobReport, Options, Report,
        position::Position,
        script::{Act, Answer, Gives, Script, Step},
    },
    run::{Rejection, Verdict},
    workflow::{Analysis, Cycle, InvalidSnapshot, Workflow},
};

/// Where the history of every run begins.
pub(super) const BEGINNING: usize = usize::MAX;

/// A rehearsal in progress.
#[derive(Debug)]
pub(super) struct Search<'w> {
    pub(super) workflow: &'w Workflow,
    analysis: Analysis<'w>,
    start: Position,
    /// What is left of the effort that may be made.
    effort: u64,
    /// To which jobs each job may send work back.
    sends_back_to: Vec<Vec<usize>>,
    /// Positions from which everything was played, with the script that was followed.
    pub(super) seen: HashSet<u64>,
    /// Every step that was played, with the place of the step before it.
    pub(super) steps: Vec<(usize, Step)>,
    pub(super) found: BTreeMap<(FindingCode, Option<usize>), Finding>,
    pub(super) report: Report,
}

/// A position, with what led to it and what may follow.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) position: Position,
    pub(super) script: Script,
    pub(super) last: usize,
}

impl<'w> Search<'w> {
    /// Plays all that is to be played of a workflow.
    pub(super) fn over(workflow: &'w Workflow, options: &Options) -> Result<Self, InvalidSnapshot> {
        let mut start = Position::before(workflow)?;
        let analysis = Analysis::of(workflow)?;
        let begun = start.begin();
        let graph = start.state().snapshot().graph();
        let sends_back_to = workflow.jobs.iter().map(|job| {
            let ways = workflow.cycles.iter().filter(|cycle| cycle.from == job.id);
            ways.filter_map(|cycle| graph.index(&cycle.to)).collect()
        });
        let jobs = workflow.jobs.iter().enumerate().map(|(place, job)| JobReport {
            id: job.id.clone(),
            statuses: Default::default(),
            verdicts: BTreeMap::new(),
            asked: Vec::new(),
            completed_at: Default::default(),
            most_attempts: 1,
            most_grants: 0,
            grants_bound: analysis.grants(place),
        });
        let report = Report {
            findings: Vec::new(),
            runs: 0,
            joined: 0,
            states: 0,
            commands: 0,
            ends: BTreeMap::new(),
            most_grants: 0,
            grants_bound: analysis.total_grants(),
            jobs: jobs.collect(),
        };
        let mut search = Self {
            workflow,
            sends_back_to: sends_back_to.collect(),
            analysis,
            start,
            effort: options.effort,
            seen: HashSet::new(),
            steps: Vec::new(),
            found: BTreeMap::new(),
            report,
        };
        match begun {
            Ok(()) => search.play_all(options),
            Err(refused) => search.cannot_begin(&refused),
        }
        Ok(search)
    }

    fn play_all(&mut self, options: &Options) {
        self.observe_all(&self.beginning());
        self.explore(Script::EXEMPLARY, "before every job was seen to do well");
        let targets: BTreeSet<usize> = self.sends_back_to.iter().flatten().copied().collect();
        for target in targets {
            self.explore(Script::dissent(target), "before every way back was taken to its end");
        }
        self.play_dearest();
        for seed in 0..options.seeds {
            self.wander(seed);
        }
        self.explore(Script::ONE_FREE, "before each job had done all that it may");
        self.explore(Script::TWO_FREE, "before each pair of reviews had given all verdicts");
        self.judge();
    }

    pub(super) fn beginning(&self) -> Node {
        Node { position: self.start.clone(), script: Script::EXEMPLARY, last: BEGINNING }
    }

    /// Plays everything that a script allows, once.
    fn explore(&mut self, script: Script, what: &str) {
        let mut open = vec![Node { script, ..self.beginning() }];
        while let Some(node) = open.pop() {
            if self.is_spent() {
                return self.give_up(what);
            }
            self.expand(&node, &mut open);
        }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.effort == 0
    }

    /// Plays what can follow a position. What is best comes last to the end of `open`, and so last to be played: what lies there
    /// stays short.
    fn expand(&mut self, node: &Node, open: &mut Vec<Node>) {
        let position = &node.position;
        if let Some(end) = position.end() {
            return self.end(node, end);
        }
        let mut refused = None;
        for job in position.ready() {
            match self.after(node, Step::Claim(job), node.script) {
                Ok(next) => return self.open(next, open),
                Err(refusal) => refused = refused.or(Some((job, refusal))),
            }
        }
        if let Some(job) = position.held().next() {
            for (act, script) in node.script.acts(job, self.gives(job), &self.sends_back_to[job]) {
                if act == Act::Spend && !position.has_budget(job) {
                    continue;
                }
                match self.after(node, Step::Act(job, act), script) {
                    Ok(next) => self.open(next, open),
                    Err(refusal) => self.outcome_refused(node, job, &refusal),
                }
            }
        } else if let Some(job) = position.asking().next() {
            if position.is_flawless && !position.is_planned(job) {
                self.unplanned(node, job);
            }
            self.answer_each_way(node, job, open);
        } else if let Some(escalation) = position.escalation() {
            self.settle_each_way(node, escalation, open);
        } else {
            self.stuck(node, refused);
        }
    }

    fn settle_each_way(&mut self, node: &Node, escalation: u32, open: &mut Vec<Node>) {
        let ways = [(Answer::Continue, node.script.granting()), (Answer::Cancel, Some(node.script))];
        for (answer, script) in ways {
            let Some(script) = script else { continue };
            if let Ok(next) = self.after(node, Step::Settle(escalation, answer), script) {
                self.open(next, open);
            }
        }
    }

    fn answer_each_way(&mut self, node: &Node, job: usize, open: &mut Vec<Node>) {
        let mut refusals = Vec::new();
        for &answer in Answer::ALL {
            let adds = node.position.adds_grants(job, answer);
            let script = if adds { node.script.granting() } else { Some(node.script) };
            match script.map(|script| self.after(node, Step::Answer(job, answer), script)) {
                Some(Ok(next)) => self.open(next, open),
                Some(Err(refusal)) => refusals.push(refusal),
                None => {}
            }
        }
        if refusals.len() == Answer::ALL.len() {
            self.unresolvable(node, job, &refusals[0]);
        }
    }

    /// The position after a step.
    pub(super) fn after(&mut self, node: &Node, step: Step, script: Script) -> Result<Node, Rejection> {
        let mut position = node.position.clone();
        self.report.commands += 1;
        self.effort = self.effort.saturating_sub(1);
        let touched = position.play(step)?;
        if position.end().is_some() {
            // The record of a run that has ended is made of all its jobs.
            self.effort = self.effort.saturating_sub(self.workflow.jobs.len() as u64);
        }
        self.observe_step(node, step);
        self.steps.push((node.last, step));
        let next = Node { position, script, last: self.steps.len() - 1 };
        for job in touched {
            self.observe(&next, job);
        }
        Ok(next)
    }

    /// Keeps a position for later, unless everything was played from there.
    fn open(&mut self, node: Node, open: &mut Vec<Node>) {
        let position = &node.position;
        let script = node.script.shortened(|job| position.is_over(job));
        let mut hasher = DefaultHasher::new();
        (position.fingerprint(), position.is_assisted, position.is_harmed, script).hash(&mut hasher);
        if self.seen.insert(hasher.finish()) {
            open.push(Node { script, ..node });
        } else {
            self.report.joined += 1;
        }
    }

    pub(super) fn gives(&self, job: usize) -> Gives {
        if self.workflow.jobs[job].kind.is_verdict_capable() { Gives::Verdict } else { Gives::Work }
    }

    /// Plays the run with the most grants: whatever can be lost is lost, whatever can fail fails, whatever can be sent back is,
    /// as often as it may. Left out where that is too often.
    fn play_dearest(&mut self) {
        if self.analysis.total_grants() > self.effort / 8 {
            return;
        }
        let mut node = self.beginning();
        loop {
            let position = &node.position;
            let step = if let Some(job) = position.ready().next() {
                Step::Claim(job)
            } else if let Some(job) = position.held().next() {
                Step::Act(job, self.dearest(position, job))
            } else if let Some(job) = position.asking().next() {
                Step::Answer(job, Answer::Override)
            } else {
                break;
            };
            match self.after(&node, step, node.script) {
                Ok(next) => node = next,
                Err(_) => return,
            }
        }
        if let Some(end) = node.position.end() {
            self.end(&node, end);
        }
    }

    fn dearest(&self, position: &Position, job: usize) -> Act {
        let (spec, state) = (&self.workflow.jobs[job], position.job(job));
        let has_round = |cycle: &&Cycle| position.state().iterations(&cycle.to).taken < cycle.max_iterations;
        let mut ways = self.workflow.cycles.iter().filter(|cycle| cycle.from == spec.id);
        if state.deliveries <= self.workflow.recovery_policy.max_requeues {
            Act::Lose
        } else if state.failures + 1 < spec.max_attempts {
            Act::Fail
        } else if ways.any(|cycle| has_round(&cycle)) {
            Act::Judge(Verdict::NeedsRevision)
        } else {
            Act::good(self.gives(job))
        }
    }
}
