//! The adapters that lanes may name.

use std::{collections::BTreeMap, sync::Arc};

use striatum_core::workflow::Lane;

use crate::{
    adapter::LaneAdapter,
    orchestrator::{Error, ErrorKind},
};

#[derive(Debug, Default)]
pub(super) struct Registry(BTreeMap<String, Arc<dyn LaneAdapter>>);

impl Registry {
    pub(super) fn new(adapters: Vec<(String, Arc<dyn LaneAdapter>)>) -> Self {
        Self(adapters.into_iter().collect())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<dyn LaneAdapter>> {
        self.0.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Arc<dyn LaneAdapter>)> {
        self.0.iter()
    }

    /// The adapter of a lane.
    pub(super) fn of(&self, lane: &Lane) -> Result<&Arc<dyn LaneAdapter>, Error> {
        self.get(&lane.adapter).ok_or_else(|| {
            let known = self.names().join(", ");
            Error::new(
                ErrorKind::AdapterUnknown,
                format!("use the adapter {:?}; registered are: {known}", lane.adapter),
            )
        })
    }
}
