//! One worker: ends what has lapsed, claims what is ready, works, submits, and sleeps until something changes.

use std::{io::Read, path::Path, sync::Arc, time::Duration};

use striatum::{
    core::{
        engine::{Engine, EngineError},
        id::{ChainId, Fence, JobId, RunId},
        run::{Actor, Claim, Command, DeliveryMode, Intent, Owner, Packet, RunStatus, Submit},
        sandbox::{Isolation, Level},
        store::{Mark, ReadyQuery, Renewal, RunQuery, Store, Wait},
    },
    mint,
    pg::{Config, PgStore},
    workspace::ObjectBlobs,
};
use tokio::time;

use crate::{Outcome, keeper, workflow};

/// For how long a job that was shown to a worker is not shown to others.
const HOLD: Duration = Duration::from_millis(500);

/// What is said on standard output when work came too late.
pub(crate) const STALE: &str = "stale";

struct Worker {
    store: Arc<PgStore>,
    engine: Engine,
    chain: ChainId,
    owner: Owner,
    actor: Actor,
    number: u64,
    refused: Vec<(RunId, JobId)>,
}

/// Works until nothing is left, or whoever started it is gone.
pub(crate) async fn run(config: Config, blobs: &Path, number: u64) -> Outcome {
    let store = Arc::new(PgStore::connect(&config).await?);
    let blobs = Arc::new(ObjectBlobs::local(blobs)?);
    let mut worker = Worker {
        engine: Engine::new(store.clone(), blobs, Arc::new(mint::SystemClock)),
        store,
        chain: keeper::chain()?,
        owner: Owner::unproven(mint::instance_id()?),
        actor: Actor::Service(format!("worker-{number}")),
        number,
        refused: Vec::new(),
    };
    std::thread::spawn(|| {
        // The pipe ends with whoever holds the other end.
        drop(std::io::stdin().read(&mut [0]));
        std::process::exit(0);
    });
    worker.work().await
}

impl Worker {
    async fn work(&mut self) -> Outcome {
        let mut mark = Mark::default();
        while self.is_needed().await? {
            let due = self.store.due(Some(&self.chain), 16).await?;
            for fence in due.lapsed {
                // Whoever comes second finds that it is done.
                let expire = self.command(Intent::Expire { fence: fence.clone() })?;
                self.engine.execute(fence.run, expire).await.map(drop).or_else(tolerate)?;
            }
            if self.claim().await? {
                continue;
            }
            self.refused.clear();
            let wait = Wait { chain: Some(self.chain.clone()), after: mark };
            let rest = due.next.unwrap_or(HOLD).min(HOLD);
            if let Ok(seen) = time::timeout(rest, self.store.changed(&wait)).await {
                mark = seen?;
            }
        }
        Ok(())
    }

    async fn is_needed(&self) -> Outcome<bool> {
        let open =
            RunQuery { statuses: vec![RunStatus::Running], active: true, limit: 1, ..RunQuery::default() };
        Ok(!self.store.runs(&open).await?.items.is_empty())
    }

    /// Claims a job and works on it; says whether there was one.
    async fn claim(&mut self) -> Outcome<bool> {
        let query = ReadyQuery {
            chain: Some(self.chain.clone()),
            except: self.refused.clone(),
            hold: HOLD,
            ..ReadyQuery::all(self.owner.instance, 1)
        };
        let Some(ready) = self.store.ready(&query).await?.into_iter().next() else { return Ok(false) };
        let session = mint::session_id()?;
        let claim = self.command(Intent::Claim(Claim {
            job: ready.job.clone(),
            session,
            owner: self.owner.clone(),
            mode: DeliveryMode::Push,
            isolation: Isolation::uniform(Level::Unsupported),
        }))?;
        let state = match self.engine.execute(ready.run, claim).await {
            Ok(applied) => applied.state,
            Err(error) => {
                self.refused.push((ready.run, ready.job));
                tolerate(error)?;
                return Ok(true);
            }
        };
        let fence = state
            .fence(&ready.job)
            .filter(|fence| fence.session == session)
            .ok_or("the claim was granted")?;
        let packet = Packet::of(&state, &fence).ok_or("a grant has a packet")?;
        self.think(&packet).await?;
        let submit = Submit::new(fence.clone(), workflow::judge(&packet));
        let submit = Command {
            id: mint::command_id()?,
            actor: Actor::Session(session),
            intent: Intent::Submit(submit),
        };
        match self.engine.execute(fence.run, submit).await {
            Ok(_) => {}
            Err(error) if error.code() == "stale_fence" => println!("{STALE}"),
            Err(error) => tolerate(error)?,
        }
        Ok(true)
    }

    /// The agent thinks, for longer than its lease lasts every now and then; the lease is renewed meanwhile.
    async fn think(&self, packet: &Packet) -> Outcome {
        let term = Duration::from_secs(packet.lease_seconds.into());
        let spread = self.number.wrapping_mul(31).wrapping_add(u64::from(packet.fence.epoch) * 17);
        let thought =
            Duration::from_millis(20 + 60 * (spread % 5) + if spread.is_multiple_of(13) { 1_500 } else { 0 });
        let fence: &Fence = &packet.fence;
        let renewing = async {
            loop {
                time::sleep(term / 4).await;
                if let [Renewal::Lost] = self.store.renew(&[(fence.clone(), term)]).await?.as_slice() {
                    return Ok(());
                }
            }
        };
        tokio::select! {
            () = time::sleep(thought) => Ok(()),
            ended = renewing => ended,
        }
    }

    fn command(&self, intent: Intent) -> Outcome<Command> {
        Ok(Command { id: mint::command_id()?, actor: self.actor.clone(), intent })
    }
}

/// Somebody else was faster, or the database was away for a moment: the next round will tell. Everything else ends the worker.
fn tolerate(error: EngineError) -> Outcome {
    match &error {
        EngineError::Rejected(_)
        | EngineError::GuardFailed
        | EngineError::Contended
        | EngineError::Busy { .. } => Ok(()),
        EngineError::Store(store) if store.is_retryable() => Ok(()),
        _ => Err(error.into()),
    }
}
