//! Appending: batches of one chain travel in groups, and each gets its own answer.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use striatum_core::{
    id::ChainId,
    store::{AppendError, Batch, RunHead, StoreError, StoreErrorKind},
};
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    batching::{Queues, Served},
    error::{Fault, Remedy, report},
    group::{self, Answer},
    link::Link,
    notify::Growth,
    turn::{Turn, Turns},
};

const APPEND: &str = "append to a chain";

/// How many batches, and how many bytes of bodies, share one transaction at most.
const MAX_GROUP: usize = 256;
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Appends for one process. What it has begun runs to its end, whether anybody waits or not.
pub(crate) struct Appender {
    shared: Arc<Shared>,
    turns: Turns,
    runtime: Handle,
}

struct Shared {
    link: Link,
    growth: Arc<Growth>,
    queues: Queues<ChainId, Waiting>,
}

struct Waiting {
    batch: Batch,
    reply: oneshot::Sender<Answer>,
}

impl Appender {
    pub(crate) fn new(link: Link, turns: Turns, growth: Arc<Growth>, runtime: Handle) -> Self {
        Self { shared: Arc::new(Shared { link, growth, queues: Queues::default() }), turns, runtime }
    }

    pub(crate) async fn append(&self, batch: &Batch) -> Answer {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { batch: batch.clone(), reply };
        let shared = Arc::clone(&self.shared);
        match self.turns.take(batch.run()) {
            Some(turn) => drop(self.runtime.spawn(async move { shared.serve_turn(turn, waiting).await })),
            None => {
                let chain = batch.chain();
                if self.shared.queues.add(chain, waiting) == Served::No {
                    let chain = chain.clone();
                    self.runtime.spawn(async move {
                        shared.queues.serve(&chain, choose, |group| shared.serve(&chain, group)).await;
                    });
                }
            }
        }
        let answer = answer.await.unwrap_or_else(|_| {
            let lost = StoreError::new(StoreErrorKind::Unknown, APPEND);
            Err(lost.because("nobody was left to answer").into())
        });
        match &answer {
            Ok(_) => self.turns.won(batch.run()),
            Err(AppendError::Conflict) => self.turns.lost(batch.run()).await,
            Err(_) => {}
        }
        answer
    }
}

impl Shared {
    async fn serve(&self, chain: &ChainId, group: Vec<Waiting>) {
        let batches: Vec<&Batch> = group.iter().map(|waiting| &waiting.batch).collect();
        let answers = self.answer(chain, &batches).await;
        for (Waiting { reply, .. }, answer) in group.into_iter().zip(answers) {
            // Whoever asked may have stopped waiting; the batch is appended all the same.
            drop(reply.send(answer));
        }
    }

    /// Appends a batch while its run is held for it.
    async fn serve_turn(&self, turn: Turn, Waiting { batch, reply }: Waiting) {
        let chain = batch.chain();
        let appended = match group::send_on(&self.link, &turn.connection, &[&batch]).await {
            Ok(answers) => turn.commit(&self.link).await.map(|()| answers).map_err(|fault| (fault, true)),
            Err(fault) => {
                turn.abandon();
                Err((fault, false))
            }
        };
        let answer = match appended {
            Ok(answers) => self.hear(chain, answers).pop(),
            // Without the turn, then.
            Err((fault, is_sent)) => {
                match self.send(chain, &[&batch], is_sent || fault.remedy() == Remedy::Ask).await {
                    Ok(mut answers) => answers.pop(),
                    Err(failed) => Some(Err(failed.error().into())),
                }
            }
        };
        if let Some(answer) = answer {
            drop(reply.send(answer));
        }
    }

    /// The answers to a group, once it is known to this process how far they made the chain grow.
    fn hear(&self, chain: &ChainId, group::Answers { each, grown_to }: group::Answers) -> Vec<Answer> {
        if let Some(seq) = grown_to {
            self.growth.advance(chain, seq);
        }
        each
    }

    /// The answers to a group. If a statement fails, each batch is sent alone, so that only the culprit fails.
    async fn answer(&self, chain: &ChainId, batches: &[&Batch]) -> Vec<Answer> {
        match self.send(chain, batches, false).await {
            Ok(answers) => answers,
            Err(Failed { fault, in_doubt }) if batches.len() > 1 && !is_everybodys(&fault) => {
                let mut answers = Vec::with_capacity(batches.len());
                for batch in batches {
                    match self.send(chain, &[batch], in_doubt).await {
                        Ok(alone) => answers.extend(alone),
                        Err(failed) => answers.push(Err(failed.error().into())),
                    }
                }
                answers
            }
            Err(failed) => batches.iter().map(|_| Err(failed.error().into())).collect(),
        }
    }

    /// Sends a group until it is answered or patience ends. Sending it again is how to learn whether it landed.
    async fn send(
        &self,
        chain: &ChainId,
        batches: &[&Batch],
        mut in_doubt: bool,
    ) -> Result<Vec<Answer>, Failed> {
        let mut patience = self.link.patience();
        loop {
            let fault = match group::send(&self.link, batches).await {
                Ok(answers) => {
                    let each = self.hear(chain, answers).into_iter();
                    return Ok(each.map(|answer| if in_doubt { settle(answer) } else { answer }).collect());
                }
                Err(fault) => fault,
            };
            in_doubt |= fault.remedy() == Remedy::Ask;
            if !patience.bears(fault.remedy()).await {
                return Err(Failed { fault, in_doubt });
            }
        }
    }
}

/// Whether each batch of a group would meet the same.
fn is_everybodys(fault: &Fault) -> bool {
    matches!(fault.remedy(), Remedy::Later | Remedy::Ask)
}

/// A group that was not answered.
struct Failed {
    fault: Fault,
    in_doubt: bool,
}

impl Failed {
    fn error(&self) -> StoreError {
        let kind = if self.in_doubt { StoreErrorKind::Unknown } else { self.fault.kind() };
        StoreError::new(kind, APPEND).because(report(&self.fault))
    }
}

/// An answer to a batch that was sent before, with an answer that was lost. That it stands there is certain. A refusal is not:
/// the first sending may have landed before others moved the run, or may still be under way.
fn settle(answer: Answer) -> Answer {
    match answer {
        Ok(RunHead { .. }) | Err(AppendError::Store(_)) => answer,
        Err(refusal) => {
            let text =
                format!("an answer was lost, and the batch that was sent again was refused: {refusal}");
            Err(StoreError::new(StoreErrorKind::Unknown, APPEND).because(text).into())
        }
    }
}

/// Takes the next group: the longest that waited, each of another run. What is left over keeps its turn.
fn choose(queue: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let (mut group, mut left, mut runs, mut bytes) = (Vec::new(), VecDeque::new(), HashSet::new(), 0);
    while let Some(waiting) = queue.pop_front() {
        let size = waiting.batch.bodies().text().len();
        let fits = group.is_empty() || (group.len() < MAX_GROUP && bytes + size <= MAX_BYTES);
        if !fits {
            left.push_back(waiting);
            break;
        }
        if runs.insert(waiting.batch.run()) {
            bytes += size;
            group.push(waiting);
        } else {
            left.push_back(waiting);
        }
    }
    left.append(queue);
    *queue = left;
    group
}
