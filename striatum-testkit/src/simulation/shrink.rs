//! Shortening a history that fails.

use super::step::Step;

/// How often a shorter history is tried.
const TRIALS: usize = 500;

/// Drops steps for as long as the rest still fails: first halves, then ever smaller parts, at last single steps and single
/// faults.
pub(super) async fn shortened<F, Fut>(steps: Vec<Step>, fails: F) -> Vec<Step>
where
    F: Fn(Vec<Step>) -> Fut,
    Fut: Future<Output = bool>,
{
    let mut steps = steps;
    let mut trials = 0;
    let mut part = steps.len().div_ceil(2).max(1);
    loop {
        let (mut at, mut shorter) = (0, false);
        while at < steps.len() && trials < TRIALS {
            let mut rest = steps.clone();
            rest.drain(at..(at + part).min(steps.len()));
            trials += 1;
            if fails(rest.clone()).await {
                (steps, shorter) = (rest, true);
            } else {
                at += part;
            }
        }
        if trials >= TRIALS || (part == 1 && !shorter) {
            break;
        }
        part = part.div_ceil(2).max(1);
    }
    for at in 0..steps.len() {
        let mut calm = steps.clone();
        if calm[at].fault.take().is_some() && trials < TRIALS {
            trials += 1;
            if fails(calm.clone()).await {
                steps = calm;
            }
        }
    }
    steps
}
