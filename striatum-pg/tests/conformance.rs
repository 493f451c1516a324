//! The conformance suite, each case in a schema of its own, as the runtime role.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use striatum_core::{id::RunId, store::Store};
use striatum_pg::PgStore;
use striatum_testkit::{
    pg::Cluster,
    store::{Ability, Place, StoreFactory},
};
use tokio::sync::Mutex;

use crate::server::{self, OWNER, Schema};

/// Where clocks stand that stand still, in microseconds.
const NOON: i64 = 1_800_000_000_000_000;

pub(crate) struct Schemas {
    address: String,
    /// The server, if it is for these places alone.
    own: Option<Mutex<Cluster>>,
    clock: Clock,
    /// The places that are migrated, and by how much the clock of each is ahead, in microseconds.
    ahead: Mutex<HashMap<Place, i64>>,
}

/// How the clock of a place goes.
#[derive(Clone, Copy, PartialEq)]
enum Clock {
    Running,
    Still,
}

impl Schemas {
    async fn new(address: &str) -> Self {
        Schema::empty(address).await;
        Self { address: address.to_owned(), own: None, clock: Clock::Running, ahead: Mutex::default() }
    }

    /// Places on a server that may die.
    pub(crate) async fn on_their_own(cluster: Cluster) -> Self {
        let stores = Self::new(&cluster.url()).await;
        Self { own: Some(Mutex::new(cluster)), ..stores }
    }

    /// Places in which time passes only where it is told to, so that what happens there does not depend on the machine.
    pub(crate) async fn standing_still(address: &str) -> Self {
        Self { clock: Clock::Still, ..Self::new(address).await }
    }

    fn schema(&self, place: &Place) -> Schema {
        Schema { address: self.address.clone(), name: place.as_str().to_owned() }
    }

    async fn shift_clock(&self, place: &Place, by: i64) {
        let mut ahead = self.ahead.lock().await;
        let ahead = ahead.entry(place.clone()).or_default();
        *ahead += by;
        match self.clock {
            Clock::Running => self.schema(place).set_clock_ahead(*ahead).await,
            Clock::Still => self.schema(place).set_clock(&(NOON + *ahead).to_string()).await,
        }
    }
}

fn micros(by: Duration) -> i64 {
    by.as_micros().try_into().unwrap()
}

#[async_trait::async_trait]
impl StoreFactory for Schemas {
    async fn open(&self, place: &Place) -> Arc<dyn Store> {
        let schema = self.schema(place);
        if let Entry::Vacant(new) = self.ahead.lock().await.entry(place.clone()) {
            PgStore::migrate(&schema.config(OWNER)).await.unwrap();
            if self.clock == Clock::Still {
                schema.set_clock(&NOON.to_string()).await;
            }
            new.insert(0);
        }
        Arc::new(PgStore::connect(&schema.runtime()).await.unwrap())
    }

    async fn advance(&self, place: &Place, by: Duration) {
        self.shift_clock(place, micros(by)).await;
    }

    async fn turn_back(&self, place: &Place, by: Duration) -> Ability {
        self.shift_clock(place, -micros(by)).await;
        Ability::Done
    }

    async fn drop_indexes(&self, place: &Place) -> Ability {
        let tables = "DELETE FROM runs; DELETE FROM ready; DELETE FROM leases; DELETE FROM timers; DELETE FROM resources";
        self.schema(place).client(OWNER).await.batch_execute(tables).await.unwrap();
        Ability::Done
    }

    async fn damage(&self, place: &Place, run: RunId, version: u64) -> Ability {
        let owner = self.schema(place).client(OWNER).await;
        let update = format!(
            "ALTER TABLE batches DISABLE TRIGGER events_are_never_changed;
             UPDATE batches SET bodies = set_byte(bodies, o.begins, get_byte(bodies, o.begins) # 1)
                 FROM (SELECT b.seq AS of, coalesce(b.ends[{version} - b.version], 0) AS begins FROM batches b
                       WHERE b.run = '{run}' AND {version} BETWEEN b.version AND b.version + b.size - 1) AS o
                 WHERE seq = o.of AND run = '{run}';
             ALTER TABLE batches ENABLE TRIGGER events_are_never_changed"
        );
        owner.batch_execute(&update).await.unwrap();
        Ability::Done
    }

    /// Everybody's server does not crash for one test: one of its own does in `crash.rs`.
    async fn crash(&self, _: &Place) -> Ability {
        match &self.own {
            None => Ability::Lacking,
            Some(cluster) => {
                let mut cluster = cluster.lock().await;
                cluster.kill().unwrap();
                cluster.restart().unwrap();
                Ability::Done
            }
        }
    }
}

// Inside the block in which the macro evaluates its argument, `return` ends the case.
striatum_testkit::store_conformance!(match server::address() {
    Some(address) => Schemas::new(address).await,
    None => return,
});
