//! One worker: the ready orchestrator, and what its keeper is told of it.

use std::{io::Read, sync::Arc};

use striatum::{
    Progress,
    core::run::Event,
    pg::{Config, PgStore},
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{Outcome, site::Site};

/// What is said on standard output when a job was granted.
pub(crate) const GRANTED: &str = "granted";
/// What is said when work came too late.
pub(crate) const STALE: &str = "stale";

/// Works until its keeper lets go of it, or is gone.
pub(crate) async fn run(config: &Config, site: &Site) -> Outcome {
    let orchestrator = site.orchestrator(Arc::new(PgStore::connect(config).await?)).await?;
    tokio::spawn(tell(orchestrator.progress()));
    let leaving = orchestrator.clone();
    std::thread::spawn(move || {
        // The pipe ends with whoever holds the other end.
        drop(std::io::stdin().read(&mut [0]));
        leaving.stop();
    });
    Ok(orchestrator.run().await?)
}

async fn tell(mut progress: Receiver<Progress>) {
    loop {
        match progress.recv().await {
            Ok(Progress::Event { event: Event::JobClaimed(_), .. }) => println!("{GRANTED}"),
            Ok(Progress::Stale { .. }) => println!("{STALE}"),
            Ok(Progress::Notice { code, message, .. }) => eprintln!("notice[{code}] {message}"),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}
