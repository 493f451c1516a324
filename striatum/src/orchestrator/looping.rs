//! The work loop: what is owed is done, what is ready is claimed, and then it sleeps until something changes.

use std::{sync::Arc, time::Duration};

use striatum_core::{
    run::Intent,
    store::{Due, Mark, ReadyQuery, Wait},
};
use tokio::time::{sleep, timeout};

use crate::{
    mint,
    orchestrator::{
        Error, ErrorKind, Shared, grant,
        leases::Holding,
        work::{HOLD, Key, Work},
    },
};

/// How many lapsed leases are looked at together.
const PAGE: usize = 64;
/// How long a round may take. What it had begun is found again by the next one.
const ROUND: Duration = Duration::from_secs(60);
/// For how long the loop sleeps at first when the store cannot be reached.
const OUTAGE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Idle,
    Drained,
}

/// Works until there is no more to do. One call works at a time: a second one would take the grants of the first for abandoned.
pub(super) async fn work(shared: &Arc<Shared>, until: Until) -> Result<(), Error> {
    let _alone = shared.working.lock().await;
    let renewing = shared.clone();
    let _renewal =
        AbortOnDrop(tokio::spawn(async move { renewing.leases.renew_forever(&renewing.engine).await }));
    let mut work = Work::default();
    let mut mark = Mark::default();
    let mut outage = OUTAGE;
    loop {
        let took = timeout(ROUND, round(shared, &mut work)).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::TimedOut, format!("look at all runs within {} s", ROUND.as_secs())))
        });
        let (busy, rest) = match took {
            Ok(due) => {
                outage = OUTAGE;
                (work.is_busy(shared), work.rest(shared, &due))
            }
            Err(error) if error.is_retryable() => {
                shared.notice(None, &error);
                outage = (outage * 2).min(shared.limits.poll);
                (true, outage)
            }
            Err(error) => return Err(error),
        };
        let done = shared.draining.is_cancelled() || (until == Until::Idle && !busy);
        if done && work.is_empty() {
            return Ok(());
        }
        sleep_until_change(shared, &mut work, &mut mark, rest.min(shared.limits.poll)).await;
    }
}

async fn sleep_until_change(shared: &Shared, work: &mut Work, mark: &mut Mark, rest: Duration) {
    let wait = Wait { chain: Some(shared.repository.chain().clone()), after: *mark };
    let was_draining = shared.draining.is_cancelled();
    tokio::select! {
        changed = timeout(rest, shared.engine.store().changed(&wait)) => match changed {
            Ok(Ok(seen)) => *mark = seen,
            Ok(Err(_)) => sleep(rest.min(Duration::from_secs(1))).await,
            Err(_) => {}
        },
        () = work.one_ended(shared) => {}
        () = shared.draining.cancelled(), if !was_draining => {}
    }
}

async fn round(shared: &Arc<Shared>, work: &mut Work) -> Result<Due, Error> {
    work.note_ended(shared);
    let due = expire(shared, work).await?;
    work.look(shared).await?;
    work.take_up(shared);
    if !shared.draining.is_cancelled() {
        claim(shared, work).await?;
    }
    Ok(due)
}

/// Ends the leases that the store's clock lets us end: those of the dead. What this process works on is renewed instead.
async fn expire(shared: &Shared, work: &Work) -> Result<Due, Error> {
    let due = shared.engine.store().due(Some(shared.repository.chain()), PAGE).await?;
    for fence in &due.lapsed {
        let is_ours = shared.leases.hurry(fence) == Holding::Yes || work.is_doing(&Key::Grant(fence.clone()));
        if is_ours || work.is_unsound(fence.run) {
            continue;
        }
        let intent = Intent::Expire { fence: fence.clone() };
        match shared.act(fence.run, mint::command_id()?, intent).await {
            Err(error) if error.is_retryable() => return Err(error),
            Err(error) if error.rejection().is_none() && error.code() != "guard_failed" => {
                shared.notice(Some(fence.run), &error);
            }
            _ => {}
        }
    }
    Ok(due)
}

async fn claim(shared: &Arc<Shared>, work: &mut Work) -> Result<(), Error> {
    let room = work.room(shared);
    if room == 0 || !work.can_claim(shared) {
        return Ok(());
    }
    let query = ReadyQuery {
        chain: Some(shared.repository.chain().clone()),
        adapters: shared.adapters.names(),
        except: work.refused(),
        hold: HOLD,
        ..ReadyQuery::all(shared.instance.id(), room)
    };
    for ready in shared.engine.store().ready(&query).await? {
        let fit = match work.lane(&ready) {
            Some(lane) => shared.expect_fit(lane),
            // It has come up since we looked.
            None => continue,
        };
        let claimed = match fit {
            Ok(()) => grant::claim(shared, &ready).await,
            Err(error) => Err(error),
        };
        match claimed {
            Ok(Some((fence, drive))) => work.employ(fence, drive),
            Ok(None) => {}
            Err(error) if error.is_retryable() => return Err(error),
            Err(error) => work.refuse(shared, &ready, &error),
        }
    }
    Ok(())
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
