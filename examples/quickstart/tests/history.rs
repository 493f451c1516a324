//! What the chain says, read from the file and verified on the way.

use std::{collections::BTreeMap, path::Path};

use striatum::{
    core::{
        id::RunId,
        run::{Event, LeaseCause, LeaseEnd, Record},
        store::{Store as _, StoreErrorKind, StoreExt as _},
        transport::AgentIdentity,
    },
    sqlite::SqliteStore,
};

/// A job and its attempt.
pub(crate) type Step = (String, u32);

#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) events: Vec<(RunId, Event)>,
}

impl History {
    /// Reads the chain of a data folder; a store that is not there has none.
    pub(crate) fn read(data: &Path) -> Self {
        let path = data.join("striatum.db");
        if !path.exists() {
            return Self::default();
        }
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let store = match SqliteStore::open_read_only(&path).await {
                // A file that nothing was ever written to: the process ended while it made it.
                Err(error) if error.kind() == StoreErrorKind::Schema => return Self::default(),
                opened => opened.unwrap(),
            };
            let mut history = Self::default();
            for info in store.chains().await.unwrap() {
                let verified = store.verify(&info.chain, None, |sealed| {
                    let record = Record::decode(&sealed.body).unwrap();
                    history.events.push((record.run, record.event));
                });
                assert_eq!(verified.await.unwrap(), info.head);
            }
            store.close().await.unwrap();
            history
        })
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        self.events.iter().filter(|(_, event)| event.kind() == kind).count()
    }

    /// What agents said that they are.
    pub(crate) fn identities(&self) -> Vec<AgentIdentity> {
        let said = self.events.iter().filter_map(|(_, event)| match event {
            Event::SessionIdentified(e) => Some(e.agent.clone()),
            _ => None,
        });
        said.collect()
    }

    /// How often each step was granted.
    pub(crate) fn grants(&self) -> BTreeMap<Step, usize> {
        let mut grants = BTreeMap::new();
        for (_, event) in &self.events {
            if let Event::JobClaimed(e) = event {
                *grants.entry((e.job.to_string(), e.attempt)).or_default() += 1;
            }
        }
        grants
    }

    /// The steps whose work was handed in and acknowledged.
    pub(crate) fn acknowledged(&self) -> Vec<Step> {
        let ended = self.ends();
        let claims = self.events.iter().filter_map(|(run, event)| match event {
            Event::JobClaimed(e) => Some((run, e)),
            _ => None,
        });
        claims
            .filter(|(run, claim)| {
                let submitted = |(of, job, end): &(RunId, String, LeaseEnd)| {
                    of == *run
                        && *job == claim.job.as_str()
                        && end.epoch == claim.epoch
                        && end.cause == LeaseCause::Submitted
                };
                ended.iter().any(submitted)
            })
            .map(|(_, claim)| (claim.job.to_string(), claim.attempt))
            .collect()
    }

    /// How grants ended.
    pub(crate) fn ends(&self) -> Vec<(RunId, String, LeaseEnd)> {
        let mut ends = Vec::new();
        for (run, event) in &self.events {
            let one = match event {
                Event::JobReadied(e) => Some((&e.job, e.ended.clone())),
                Event::JobCompleted(e) => Some((&e.job, e.ended.clone())),
                Event::JobWaits(e) => Some((&e.job, e.ended.clone())),
                Event::JobFailed(e) => Some((&e.job, Some(e.ended.clone()))),
                Event::JobsReopened(e) => {
                    for job in &e.jobs {
                        ends.extend(job.ended.clone().map(|end| (*run, job.job.to_string(), end)));
                    }
                    None
                }
                _ => None,
            };
            ends.extend(one.and_then(|(job, end)| Some((*run, job.to_string(), end?))));
        }
        ends
    }
}
