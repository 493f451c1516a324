//! An orchestrator of your own, on the core and a store: no process, no git, a function as its agent.
//!
//! What any orchestrator does stands in [`main`]: ask the store what is ready, claim it, hand the packet to the agent, submit
//! what it made, until the run has ended. Everything else is decided by the engine and written into the chain.
#![expect(clippy::print_stdout, reason = "a program talks to a person")]

mod agent;
mod host;

use std::{error::Error, sync::Arc};

use striatum_core::{
    engine::Engine,
    id::{ChainId, CommandId, CommitId, InstanceId, RunId, SessionId},
    run::{Actor, Claim, Command, DeliveryMode, Intent, Outcome, Owner, Packet, Publication, Submit},
    sandbox::{Isolation, Level},
    store::{ChainMeta, MemoryBlobs, ReadyQuery, Store, StoreExt},
    workflow::Snapshot,
};
use striatum_sqlite::SqliteStore;

use host::{mint, now};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let store = Arc::new(SqliteStore::open(folder.path().join("striatum.db")).await?);
    let engine = Engine::new(store.clone(), Arc::new(MemoryBlobs::default()), Arc::new(now));
    let chain = ChainId::new("embed")?;
    store.open_chain(&chain, &ChainMeta { label: "an example".to_owned() }).await?;

    // A run executes a frozen workflow from a base commit. Nothing here has a repository, so any commit id serves.
    let (run, person) = (mint(RunId::from_bytes)?, Actor::Human("ada".to_owned()));
    let snapshot = Snapshot::new(agent::workflow()?, CommitId::new("0".repeat(40))?, Vec::new())?;
    engine.prepare(&chain, run, snapshot, mint(CommandId::from_bytes)?, person.clone()).await?;
    for intent in [Intent::ConfirmBranch { branch: "greeting".to_owned(), at: None }, Intent::Start] {
        let id = mint(CommandId::from_bytes)?;
        engine.execute(run, Command { id, actor: person.clone(), intent }).await?;
    }

    let (instance, service) = (mint(InstanceId::from_bytes)?, Actor::Service("embed".to_owned()));
    let status = loop {
        let status = engine.load(run).await?.state.status();
        if let Some(status) = status.filter(|status| status.has_ended()) {
            break status;
        }
        for ready in store.ready(&ReadyQuery::all(instance, 8)).await? {
            let intent = Intent::Claim(Claim {
                job: ready.job.clone(),
                session: mint(SessionId::from_bytes)?,
                owner: Owner::unproven(instance),
                mode: DeliveryMode::Push,
                isolation: Isolation::uniform(Level::Unsupported),
            });
            let claim = Command { id: mint(CommandId::from_bytes)?, actor: service.clone(), intent };
            let state = engine.execute(run, claim).await?.state;
            let fence = state.fence(&ready.job).ok_or("the claim was granted")?;
            let packet = Packet::of(&state, &fence).ok_or("a grant has a packet")?;

            let work = agent::work(&packet);
            println!("{} attempt {}: {}", ready.job, packet.attempt, work.remark);
            // Bytes first: an event may name a blob only once it is kept.
            let mut submit = Submit::new(fence.clone(), Outcome::Done);
            for (artifact, text) in packet.expected_artifacts.iter().zip(work.texts) {
                let content = engine.blobs().put(text.into()).await?;
                let name = artifact.name.parse()?;
                submit.artifacts.push(Publication { name, path: artifact.path.clone(), content });
            }
            if let Some(verdict) = work.verdict {
                submit.outcome = Outcome::Verdict { verdict, findings: None };
            }
            let (id, actor) = (mint(CommandId::from_bytes)?, Actor::Session(fence.session));
            engine.execute(run, Command { id, actor, intent: Intent::Submit(submit) }).await?;
        }
    };
    let head = store.verify(&chain, None, |_| {}).await?;
    store.close().await?;
    println!("run {} {status}; the chain verifies up to {head}", run.short());
    Ok(())
}
