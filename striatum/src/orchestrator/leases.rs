//! The leases of this process, renewed together.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use striatum_core::{
    engine::Engine,
    id::Fence,
    store::{Renewal, StoreError},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// How soon renewal is tried again after it failed, and how long one call may take.
const AGAIN: Duration = Duration::from_secs(1);
const CALL: Duration = Duration::from_secs(20);
/// How long there is nothing to do without a lease. Whoever takes one says so.
const LONG: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub(super) struct Leases {
    held: Mutex<HashMap<Fence, Lease>>,
    changed: Notify,
}

#[derive(Debug)]
struct Lease {
    term: Duration,
    due: Instant,
    stop: CancellationToken,
}

impl Leases {
    /// Renews the lease until the guard is dropped; triggers `stop` if it is lost.
    pub(super) fn hold(&self, fence: Fence, term: Duration, stop: CancellationToken) -> Held<'_> {
        self.lock().insert(fence.clone(), Lease { term, due: Instant::now() + term / 3, stop });
        self.changed.notify_one();
        Held { leases: self, fence }
    }

    /// Renews the lease no longer, as its grant has ended well while its agent was at work.
    #[cfg(feature = "acp")]
    pub(super) fn forget(&self, fence: &Fence) {
        self.lock().remove(fence);
    }

    /// Triggers `stop` of a lease that an event has ended, without waiting for the next renewal to find out.
    pub(super) fn lose(&self, fence: &Fence) {
        if let Some(lease) = self.lock().get(fence) {
            tracing::warn!(%fence, "the lease is lost");
            lease.stop.cancel();
        }
    }

    /// Renews the lease now, if it is held: it has lapsed while this machine slept, say, and is not to be given up for that.
    pub(super) fn hurry(&self, fence: &Fence) -> Holding {
        match self.lock().get_mut(fence) {
            Some(lease) => lease.due = Instant::now(),
            None => return Holding::No,
        }
        self.changed.notify_one();
        Holding::Yes
    }

    /// Renews all leases in one call whenever a third of the term of one of them has passed.
    pub(super) async fn renew_forever(&self, engine: &Engine) {
        loop {
            let due = self.lock().values().map(|lease| lease.due).min();
            tokio::select! {
                () = sleep_until(due.unwrap_or_else(|| Instant::now() + LONG)) => {}
                // A lease that came may be due earlier; those that are here stay due when they are.
                () = self.changed.notified() => continue,
            }
            let leases: Vec<(Fence, Duration)> =
                self.lock().iter().map(|(fence, lease)| (fence.clone(), lease.term)).collect();
            match timeout(CALL, engine.store().renew(&leases)).await {
                Ok(renewed) => self.note(&leases, renewed),
                Err(_) => self.postpone("the store did not answer"),
            }
        }
    }

    fn note(&self, leases: &[(Fence, Duration)], renewed: Result<Vec<Renewal>, StoreError>) {
        match renewed {
            Ok(renewals) => {
                let (mut held, now) = (self.lock(), Instant::now());
                for ((fence, term), renewal) in leases.iter().zip(renewals) {
                    let Some(lease) = held.get_mut(fence) else { continue };
                    lease.due = now + *term / 3;
                    if renewal == Renewal::Lost {
                        tracing::warn!(%fence, "the lease is lost");
                        lease.stop.cancel();
                    }
                }
            }
            Err(error) => self.postpone(&error.to_string()),
        }
    }

    /// A lease lives until an event ends it, so there is still a point in trying again.
    fn postpone(&self, error: &str) {
        tracing::warn!(error, "leases were not renewed");
        let again = Instant::now() + AGAIN;
        self.lock().values_mut().for_each(|lease| lease.due = lease.due.max(again));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Fence, Lease>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a lease is held by this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holding {
    Yes,
    No,
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
