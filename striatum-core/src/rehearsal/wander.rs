//! Runs that are played by chance.

use crate::{
    rehearsal::{
        script::{Act, Answer, Freedom, Script, Step},
        search::{Node, Search},
    },
    run::{JobStatus, RunStatus, State},
};

/// A sequence of numbers that looks random, the same for the same seed: SplitMix64.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Whether something happens that does so `times` in a hundred.
    fn is_below(&mut self, times: u64) -> bool {
        self.roll() % 100 < times
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = self.roll() % (last as u64 + 1);
            list.swap(last, usize::try_from(other).unwrap_or(last));
        }
    }
}

impl Search<'_> {
    /// Plays one run by the numbers of a seed. After a while everybody does well, so that it comes to an end. With odd seeds
    /// principals add no grants.
    pub(super) fn wander(&mut self, seed: u64) {
        let mut dice = Dice(seed);
        let adds = seed.is_multiple_of(2);
        let mut restless = 20 + 12 * self.workflow.jobs.len();
        let mut node = self.beginning();
        loop {
            if self.is_spent() {
                return self.give_up("before all seeds were played");
            }
            let steps =
                if restless > 0 { self.any_steps(&node, &mut dice, adds) } else { self.good_steps(&node) };
            restless = restless.saturating_sub(1);
            let mut unclaimable = None;
            let mut was_refused = false;
            let mut next = None;
            for step in steps {
                match self.after(&node, step, Script::EXEMPLARY) {
                    Ok(after) => {
                        next = Some(after);
                        break;
                    }
                    Err(refusal) => match step {
                        Step::Claim(job) => unclaimable = Some((job, refusal)),
                        Step::Act(job, _) => {
                            was_refused = true;
                            self.outcome_refused(&node, job, &refusal);
                        }
                        Step::Answer(..) | Step::Settle(..) | Step::Retry(_) => {}
                    },
                }
            }
            match (next, node.position.end()) {
                (Some(after), _) => node = after,
                (None, Some(end)) => return self.end(&node, end),
                (None, None) if was_refused => return,
                (None, None) => return self.stuck(&node, unclaimable),
            }
        }
    }

    /// What could be done next, in any order, with one way for each job to end.
    fn any_steps(&self, node: &Node, dice: &mut Dice, adds: bool) -> Vec<Step> {
        let position = &node.position;
        if let Some(end) = position.end() {
            let again = adds && end != RunStatus::Completed && dice.is_below(60);
            let mut lost = if again { retryable(position.state()) } else { Vec::new() };
            dice.shuffle(&mut lost);
            return lost.into_iter().map(Step::Retry).collect();
        }
        let mut steps: Vec<Step> = position.ready().map(Step::Claim).collect();
        for job in position.held() {
            steps.push(Step::Act(job, self.any_act(node, job, dice)));
        }
        for job in position.asking() {
            let answers = Answer::ALL.iter().filter(|answer| adds || !position.adds_grants(job, **answer));
            steps.extend(answers.map(|answer| Step::Answer(job, *answer)));
        }
        steps.extend(position.escalation().map(|number| Step::Settle(number, settlement(adds))));
        dice.shuffle(&mut steps);
        steps
    }

    fn any_act(&self, node: &Node, job: usize, dice: &mut Dice) -> Act {
        let gives = self.gives(job);
        let mut others: Vec<Act> = Act::others(gives, Freedom::Anything).collect();
        others.retain(|act| *act != Act::Spend || node.position.has_budget(job));
        dice.shuffle(&mut others);
        let other = others.first().copied().filter(|_| dice.is_below(45));
        other.unwrap_or(Act::good(gives))
    }

    /// What brings a run to its end.
    fn good_steps(&self, node: &Node) -> Vec<Step> {
        let position = &node.position;
        let claims = position.ready().map(Step::Claim);
        let acts = position.held().map(|job| Step::Act(job, Act::good(self.gives(job))));
        let answers = position.asking().flat_map(|job| Answer::ALL.iter().map(move |answer| (job, *answer)));
        let answers = answers.map(|(job, answer)| Step::Answer(job, answer));
        let settled = position.escalation().map(|number| Step::Settle(number, Answer::Continue));
        claims.chain(acts).chain(answers).chain(settled).collect()
    }
}

const fn settlement(adds: bool) -> Answer {
    if adds { Answer::Continue } else { Answer::Cancel }
}

/// The jobs that have ended without success.
fn retryable(state: &State) -> Vec<usize> {
    let is_lost = |status: JobStatus| status.is_terminal() && status != JobStatus::Completed;
    let lost = state.jobs().enumerate().filter(|(_, (_, job))| is_lost(job.status));
    lost.map(|(place, _)| place).collect()
}
