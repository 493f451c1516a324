//! The conformance suite for stores.
//!
//! A case is an `async fn(&dyn StoreFactory)` that panics if the store breaks the rule that its name states. Each case works
//! in a place of its own, so cases may run at the same time and in any order, and nothing is ever wiped.

use std::{
    fmt,
    pin::Pin,
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use striatum_core::{id::RunId, store::Store};

mod bench;
mod memory;

pub mod append;
pub mod crash;
pub mod index;
pub mod lease;
pub mod race;
pub mod read;
pub mod reindex;
pub mod resource;
pub mod wait;

mod list;

pub use list::cases;
pub use memory::MemoryStores;

/// Makes stores for the suite, and does to them what a case cannot do through the port.
///
/// ```
/// use std::{collections::HashMap, sync::{Arc, Mutex}, time::Duration};
/// use striatum_core::{id::RunId, store::{MemoryStore, Store}};
/// use striatum_testkit::{clock::ManualClock, store::{Ability, Place, StoreFactory}};
///
/// #[derive(Default)]
/// struct Memory {
///     clock: ManualClock,
///     stores: Mutex<HashMap<Place, Arc<dyn Store>>>,
/// }
///
/// #[async_trait::async_trait]
/// impl StoreFactory for Memory {
///     async fn open(&self, place: &Place) -> Arc<dyn Store> {
///         let new = || Arc::new(MemoryStore::new(Arc::new(self.clock.clone()))) as _;
///         self.stores.lock().unwrap().entry(place.clone()).or_insert_with(new).clone()
///     }
///     async fn advance(&self, _: &Place, by: Duration) {
///         self.clock.advance(by);
///     }
///     async fn turn_back(&self, _: &Place, _: Duration) -> Ability {
///         Ability::Lacking
///     }
///     async fn drop_indexes(&self, _: &Place) -> Ability {
///         Ability::Lacking
///     }
///     async fn damage(&self, _: &Place, _: RunId, _: u64) -> Ability {
///         Ability::Lacking
///     }
///     async fn crash(&self, _: &Place) -> Ability {
///         Ability::Lacking
///     }
/// }
///
/// striatum_testkit::store_conformance!(Memory::default());
/// ```
#[async_trait]
pub trait StoreFactory: Send + Sync {
    /// Opens the store at a place. A place that was never opened before is a fresh, empty store; one that was is the same
    /// store with the same data, whether or not earlier handles to it were dropped. A store that several processes may use
    /// gives independent handles, as another process would have.
    async fn open(&self, place: &Place) -> Arc<dyn Store>;

    /// Moves the clock of the store at a place forward: [`Store::now`] shows it at once, through every handle. The clock may
    /// also run by itself; the suite allows for half a minute.
    async fn advance(&self, place: &Place, by: Duration);

    /// Turns the clock of the store at a place back.
    async fn turn_back(&self, place: &Place, by: Duration) -> Ability;

    /// Deletes the rows of runs, ready jobs, leases, timers and resources at a place, and nothing else.
    async fn drop_indexes(&self, place: &Place) -> Ability;

    /// Changes a byte in the stored body of a run's event, behind the store's back.
    async fn damage(&self, place: &Place, run: RunId, version: u64) -> Ability;

    /// Lets what the store at a place lives in die, without a chance to write anything down: a process with `SIGKILL`, a machine
    /// without its power. The next [`open`](Self::open) gives what is found afterwards. Handles from before may fail or go on with
    /// something that nobody sees; a case asks them nothing any more, but may still wait for an append that it had begun.
    async fn crash(&self, place: &Place) -> Ability;
}

/// Whether a factory could do what a case asked for. A case passes, as far as it came, where the ability is lacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// It was done.
    Done,
    /// Stores of this kind have no way to do it.
    Lacking,
}

/// Names where a store lies: a text of lower-case letters, digits and `_` that begins with a letter, unique in the machine's
/// present, so that it serves as a file name or as the name of a database schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place(String);

impl Place {
    /// A place that nobody has opened.
    pub fn unused() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(format!("case_{}_{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

type Checking<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// One rule of the port, for harnesses other than [`store_conformance!`](crate::store_conformance).
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    check: for<'a> fn(&'a dyn StoreFactory) -> Checking<'a>,
}

impl Case {
    /// The rule as a sentence, in words joined by `_`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Checks the rule; panics if it is broken. Runs on tokio, where some cases need several threads.
    pub async fn check(&self, factory: &dyn StoreFactory) {
        (self.check)(factory).await;
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}
