//! Every rule of the machine, whatever happens in whichever order, with the events on Postgres and as the runtime role.

use std::sync::atomic::{AtomicUsize, Ordering};

use striatum_core::run::Event;
use striatum_testkit::simulation::{Simulation, Tally};

use crate::{conformance::Schemas, documents, server};

/// How many seeds each document is played with: few in the gate, many where somebody says so.
fn seeds() -> usize {
    std::env::var("STRIATUM_PG_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1)
}

/// What it waits for is the server, so several runs are played at once.
const AT_ONCE: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_order_of_events_breaks_a_workflow_on_postgres() {
    let Some(address) = server::address() else { return };
    let schemas = Schemas::standing_still(address).await;
    let simulations: Vec<_> =
        documents::all().iter().map(|workflow| Simulation::of(workflow).unwrap()).collect();
    let next = AtomicUsize::new(0);
    let play = async || {
        let mut tally = Tally::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let (seed, document) = (number / simulations.len(), number % simulations.len());
            if seed >= seeds() {
                return tally;
            }
            match simulations[document].run(seed as u64, &schemas).await {
                Ok(played) => tally.merge(&played),
                Err(failure) => panic!("{failure}"),
            }
        }
    };
    let mut tally = Tally::default();
    for played in futures_util::future::join_all((0..AT_ONCE).map(|_| play())).await {
        tally.merge(&played);
    }
    assert_eq!(tally.runs as usize, seeds() * simulations.len());
    let missing = Event::KINDS.iter().filter(|kind| !tally.events.contains_key(*kind)).count();
    assert!(missing <= 8, "little happened: {tally:#?}");
}
