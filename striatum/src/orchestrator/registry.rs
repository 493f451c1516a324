//! The adapters that lanes may name.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use striatum_core::{
    sandbox::Isolation,
    workflow::{Lane, Offers},
};

use crate::{
    adapter::LaneAdapter,
    orchestrator::{Error, ErrorKind},
};

#[derive(Debug, Default)]
pub(super) struct Registry {
    driven: BTreeMap<String, Arc<dyn LaneAdapter>>,
    /// Those whose agents come for their work by themselves.
    pulled: BTreeSet<String>,
}

impl Registry {
    pub(super) fn new(driven: Vec<(String, Arc<dyn LaneAdapter>)>, pulled: BTreeSet<String>) -> Self {
        Self { driven: driven.into_iter().filter(|(name, _)| !pulled.contains(name)).collect(), pulled }
    }

    /// Those whose jobs are claimed here.
    pub(super) fn names(&self) -> Vec<String> {
        self.driven.keys().cloned().collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<dyn LaneAdapter>> {
        self.driven.get(name)
    }

    /// How strongly the agents of each adapter are held within these walls.
    pub(super) fn offers(&self, isolation: &Isolation) -> impl Iterator<Item = (&String, Offers)> {
        let driven = self.driven.iter().map(|(name, adapter)| (name, adapter.offers(isolation)));
        driven.chain(self.pulled.iter().map(|name| (name, Offers::advisory())))
    }

    /// The same of a lane's.
    pub(super) fn offers_of(&self, lane: &Lane, isolation: &Isolation) -> Result<Offers, Error> {
        match self.pulled.contains(&lane.adapter) {
            true => Ok(Offers::advisory()),
            false => Ok(self.of(lane)?.offers(isolation)),
        }
    }

    /// The adapter of a lane that is driven here.
    pub(super) fn of(&self, lane: &Lane) -> Result<&Arc<dyn LaneAdapter>, Error> {
        self.get(&lane.adapter).ok_or_else(|| {
            let known: Vec<_> = self.driven.keys().chain(&self.pulled).map(String::as_str).collect();
            Error::new(
                ErrorKind::AdapterUnknown,
                format!("use the adapter {:?}; registered are: {}", lane.adapter, known.join(", ")),
            )
        })
    }
}
