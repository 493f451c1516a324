//! Jobs that may be claimed, leases that have lapsed, and renewals.

use std::{sync::Arc, time::Duration};

use striatum_core::{
    id::{ChainId, Fence},
    store::{Due, ReadyJob, ReadyQuery, Renewal, StoreError, StoreErrorKind},
    time::Timestamp,
};
use tokio::{runtime::Handle, sync::oneshot};
use tokio_postgres::Row;

use crate::{
    batching::{Queues, Served},
    error::{Fault, report},
    link::{Effect, Link},
    row::{self, Id},
};

/// Jobs that may be claimed, withheld from other callers for a while.
pub(crate) async fn ready(link: &Link, query: &ReadyQuery) -> Result<Vec<ReadyJob>, StoreError> {
    const READY: &str = "list ready jobs";
    let ReadyQuery { caller, chain, run, role, lane, adapters, except, limit, hold } = query;
    let (runs, jobs): (Vec<Id>, Vec<&str>) =
        except.iter().map(|(run, job)| (Id::from(*run), job.as_str())).unzip();
    let select = "SELECT run, chain, version, job, role, lane, adapter FROM show_ready($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let rows = link
        .rows(
            READY,
            Effect::Reads,
            select,
            &[
                &Id::from(*caller),
                &chain.as_ref().map(|chain| chain.as_str()),
                &run.map(Id::from),
                &role.as_ref().map(|role| role.as_str()),
                &lane.as_ref().map(|lane| lane.as_str()),
                adapters,
                &runs,
                &jobs,
                &row::limit(*limit),
                &row::term(*hold),
            ],
        )
        .await?;
    let job = |row: &Row| {
        Ok(ReadyJob {
            run: row::run(row, 0)?,
            chain: row::text(row, 1)?,
            version: row::uint(row, 2)?,
            job: row::text(row, 3)?,
            role: row::text(row, 4)?,
            lane: row::text(row, 5)?,
            adapter: row.try_get(6)?,
        })
    };
    rows.iter().map(job).collect::<Result<_, Fault>>().map_err(|fault| fault.reading(READY))
}

/// The leases whose deadline has passed, longest first, and how long until the next deadline or timer.
pub(crate) async fn due(link: &Link, chain: Option<&ChainId>, limit: usize) -> Result<Due, StoreError> {
    const DUE: &str = "find what is due";
    let chain = chain.map(ChainId::as_str);
    let select = "SELECT run_ids, jobs, epochs, sessions, pause FROM due($1, $2)";
    let row = link.row(DUE, Effect::Reads, select, &[&chain, &row::limit(limit)]).await?;
    let read = || {
        let runs: Vec<Id> = row.try_get::<_, Option<_>>(0)?.unwrap_or_default();
        let jobs: Vec<&str> = row.try_get::<_, Option<_>>(1)?.unwrap_or_default();
        let epochs: Vec<i64> = row.try_get::<_, Option<_>>(2)?.unwrap_or_default();
        let sessions: Vec<Id> = row.try_get::<_, Option<_>>(3)?.unwrap_or_default();
        let lapsed = runs.into_iter().zip(jobs).zip(epochs.into_iter().zip(sessions));
        let fence = |((run, job), (epoch, session)): ((Id, &str), (i64, Id))| {
            Ok(Fence {
                run: run.into(),
                job: row::name(job)?,
                epoch: row::small(epoch)?,
                session: session.into(),
            })
        };
        let pause: Option<i64> = row.try_get(4)?;
        Ok(Due {
            lapsed: lapsed.map(fence).collect::<Result<_, Fault>>()?,
            next: pause.map(row::unsigned).transpose()?.map(Duration::from_micros),
        })
    };
    read().map_err(|fault: Fault| fault.reading(DUE))
}

/// Renews for one process. What is asked while a statement is out travels with the next.
pub(crate) struct Renewer {
    shared: Arc<Shared>,
    runtime: Handle,
}

struct Shared {
    link: Link,
    queue: Queues<(), Waiting>,
}

struct Waiting {
    leases: Vec<(Fence, Duration)>,
    reply: oneshot::Sender<Result<Vec<Renewal>, StoreError>>,
}

const RENEW: &str = "renew leases";

impl Renewer {
    pub(crate) fn new(link: Link, runtime: Handle) -> Self {
        Self { shared: Arc::new(Shared { link, queue: Queues::default() }), runtime }
    }

    pub(crate) async fn renew(&self, leases: &[(Fence, Duration)]) -> Result<Vec<Renewal>, StoreError> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, answer) = oneshot::channel();
        if self.shared.queue.add(&(), Waiting { leases: leases.to_vec(), reply }) == Served::No {
            let shared = Arc::clone(&self.shared);
            self.runtime.spawn(async move {
                shared.queue.serve(&(), |queue| queue.drain(..).collect(), |group| shared.serve(group)).await;
            });
        }
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::new(StoreErrorKind::Unknown, RENEW).because("nobody was left to answer"))
        })
    }
}

impl Shared {
    async fn serve(&self, group: Vec<Waiting>) {
        let leases: Vec<_> = group.iter().flat_map(|waiting| &waiting.leases).collect();
        let answer = self.renew(&leases).await;
        let mut renewals = answer.as_deref().unwrap_or_default().iter().copied();
        for Waiting { leases, reply } in group {
            // Whoever asked may have stopped waiting.
            drop(reply.send(match &answer {
                Ok(_) => Ok(renewals.by_ref().take(leases.len()).collect()),
                Err(error) => Err(StoreError::new(error.kind(), RENEW).because(report(error))),
            }));
        }
    }

    async fn renew(&self, leases: &[&(Fence, Duration)]) -> Result<Vec<Renewal>, StoreError> {
        let runs: Vec<Id> = leases.iter().map(|(fence, _)| fence.run.into()).collect();
        let jobs: Vec<&str> = leases.iter().map(|(fence, _)| fence.job.as_str()).collect();
        let epochs: Vec<i64> = leases.iter().map(|(fence, _)| fence.epoch.into()).collect();
        let sessions: Vec<Id> = leases.iter().map(|(fence, _)| fence.session.into()).collect();
        let terms: Vec<i64> = leases.iter().map(|(_, term)| row::term(*term)).collect();
        let select = "SELECT renew($1, $2, $3, $4, $5)";
        let row =
            self.link.row(RENEW, Effect::Writes, select, &[&runs, &jobs, &epochs, &sessions, &terms]).await?;
        let renewal = |deadline: Option<i64>| {
            let deadline = deadline.map(row::unsigned).transpose()?;
            Ok(deadline.map_or(Renewal::Lost, |deadline| Renewal::Held(Timestamp::from_micros(deadline))))
        };
        let deadlines: Result<Vec<Option<i64>>, Fault> = row.try_get(0).map_err(Fault::from);
        let renewals =
            deadlines.and_then(|found| found.into_iter().map(renewal).collect::<Result<Vec<_>, Fault>>());
        match renewals {
            Ok(renewals) if renewals.len() == leases.len() => Ok(renewals),
            Ok(_) => Err(Fault::corrupt("there are not as many answers as leases").during(RENEW)),
            Err(fault) => Err(fault.during(RENEW)),
        }
    }
}
