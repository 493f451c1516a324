//! The leases of this process, renewed together.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use striatum_core::{engine::Engine, id::Fence, store::Renewal};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Default)]
pub(super) struct Leases {
    held: Mutex<HashMap<Fence, Lease>>,
    changed: Notify,
}

#[derive(Debug)]
struct Lease {
    term: Duration,
    stop: CancellationToken,
}

impl Leases {
    /// Renews the lease until the guard is dropped; triggers `stop` if it is lost.
    pub(super) fn hold(&self, fence: Fence, term: Duration, stop: CancellationToken) -> Held<'_> {
        self.lock().insert(fence.clone(), Lease { term, stop });
        self.changed.notify_one();
        Held { leases: self, fence }
    }

    /// Triggers `stop` of a lease that an event has ended, without waiting for the next renewal to find out.
    pub(super) fn lose(&self, fence: &Fence) {
        if let Some(lease) = self.lock().get(fence) {
            lease.stop.cancel();
        }
    }

    /// Renews all leases in one call, at a third of the shortest term.
    pub(super) async fn renew_forever(&self, engine: &Engine) {
        loop {
            let shortest = self.lock().values().map(|lease| lease.term).min();
            let pause = shortest.map_or(Duration::from_secs(20), |term| term / 3);
            tokio::select! {
                () = sleep(pause) => {}
                () = self.changed.notified() => continue,
            }
            let leases: Vec<(Fence, Duration)> =
                self.lock().iter().map(|(fence, lease)| (fence.clone(), lease.term)).collect();
            if leases.is_empty() {
                continue;
            }
            match engine.store().renew(&leases).await {
                Ok(renewals) => {
                    for ((fence, _), renewal) in leases.iter().zip(renewals) {
                        if renewal == Renewal::Lost {
                            self.lose(fence);
                        }
                    }
                }
                // A lease lives until an event ends it; the next round tries again.
                Err(error) => tracing::warn!(%error, "leases were not renewed"),
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Fence, Lease>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lease that is being renewed.
#[derive(Debug)]
pub(super) struct Held<'a> {
    leases: &'a Leases,
    fence: Fence,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.leases.lock().remove(&self.fence);
    }
}
