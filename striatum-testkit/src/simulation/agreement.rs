//! Whether log, states and indexes say the same.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use striatum_core::{
    engine::Engine,
    id::{Fence, InstanceId, JobId},
    run::{CompletionRecord, Event, JobStatus, Packet, RunStatus, State, evolve},
    store::{ReadyQuery, Renewal, RunQuery, StoreExt as _},
    time::Timestamp,
};

use super::{
    property::{Broken, Holds, Property},
    world::{RUN, World, unexpected},
};

const AGREEMENT: Property = Property::Agreement;

/// By how much the store may compute a deadline otherwise than from the time that an event was sealed with.
const SLACK: Duration = Duration::from_secs(1);

/// More than any list here is long.
const MANY: usize = 10_000;

impl World<'_> {
    /// Folds the whole log again, and compares.
    pub(super) async fn expect_agreement(&mut self) -> Holds {
        let state = self.refold()?;
        AGREEMENT.holds(state == *self.state(), || {
            "the whole log gives another state than its events one by one".to_owned()
        })?;
        let fresh = Engine::new(self.store.clone(), self.blobs.clone(), Arc::new(self.clock.clone()));
        let loaded = fresh.load(RUN).await.map_err(unexpected)?;
        AGREEMENT.holds(loaded.state == state && loaded.head == self.head(), || {
            "an engine that loads the run has another state".to_owned()
        })?;
        self.expect_model(&state)?;
        self.expect_chain().await?;
        self.expect_index(&state).await
    }

    /// What the log adds up to, by the machine's own fold. On the way, packets and records must be what grants and ends promised.
    fn refold(&mut self) -> Result<State, Broken> {
        let promised = self.take_packets();
        let mut state = State::new(self.chain.clone(), RUN, Arc::new(self.snapshot.clone()));
        for (record, _) in &self.log {
            evolve(&mut state, &record.event).map_err(unexpected)?;
            match &record.event {
                Event::JobClaimed(claimed) => {
                    let (job, epoch, session) = (claimed.job.clone(), claimed.epoch, claimed.session);
                    let fence = Fence { run: RUN, job, epoch, session };
                    let packet = Packet::of(&state, &fence).map(|packet| packet.digest());
                    let answered = promised.iter().find(|(granted, _)| *granted == fence).map(|(_, it)| *it);
                    let same =
                        packet == Some(claimed.packet) && answered.is_none_or(|it| it == claimed.packet);
                    AGREEMENT
                        .holds(same, || format!("the packet of {fence} is not the one that was granted"))?;
                }
                Event::RunEnded(ended) => {
                    let record = CompletionRecord::new(&state).map(|record| record.digest());
                    AGREEMENT.holds(record == Some(ended.record), || {
                        "the completion record is not what the run has come to".to_owned()
                    })?;
                }
                _ => {}
            }
        }
        Ok(state)
    }

    /// The machine sees the run as the oracle does.
    fn expect_model(&self, state: &State) -> Holds {
        let model = self.oracle.model();
        let same = (state.status(), state.is_paused()) == (model.status, model.paused);
        AGREEMENT.holds(same, || {
            format!("the run is {:?} for the machine and {:?} for the oracle", state.status(), model.status)
        })?;
        for ((spec, job), own) in state.jobs().zip(&model.jobs) {
            let theirs =
                (job.status, job.attempt, job.epoch, job.failures, job.lease.as_ref().map(|it| it.session));
            let ours =
                (own.status, own.attempt, own.epoch, own.failures, own.lease.as_ref().map(|it| it.session));
            AGREEMENT.holds(theirs == ours, || {
                format!("{} is {theirs:?} for the machine and {ours:?} for the oracle", spec.id)
            })?;
        }
        Ok(())
    }

    async fn expect_chain(&self) -> Holds {
        let verified = self.store.verify(&self.chain, None, |_| ()).await.map_err(unexpected)?;
        let head = self.position().await?;
        AGREEMENT.holds(verified == head && head.seq == self.log.len() as u64, || {
            format!(
                "the chain verifies up to {verified}, stands at {head}, and has {} events",
                self.log.len()
            )
        })
    }

    /// The rows of the store are those of the state.
    async fn expect_index(&self, state: &State) -> Holds {
        let query = RunQuery { limit: MANY, ..RunQuery::default() };
        let runs = self.store.runs(&query).await.map_err(unexpected)?;
        let row = runs.items.iter().find(|summary| summary.run == RUN);
        let status = state.status().unwrap_or(RunStatus::NeedsBranchConfirmation);
        let active = status == RunStatus::Running || state.pending().next().is_some();
        let expected = Some((self.head(), status, state.is_paused(), state.room(), active));
        let found = row.map(|it| (it.head, it.row.status, it.row.paused, it.row.room, it.row.active));
        AGREEMENT
            .holds(found == expected, || format!("the row of the run is {found:?}, not {expected:?}"))?;
        self.expect_ready().await?;
        self.expect_leases().await
    }

    async fn expect_ready(&self) -> Holds {
        let model = self.oracle.model();
        let before = self.now().await?;
        let query = ReadyQuery::all(InstanceId::from_bytes([9; 16]), MANY);
        let shown = self.store.ready(&query).await.map_err(unexpected)?;
        let after = self.now().await?;
        let shown: BTreeSet<JobId> = shown.into_iter().filter(|it| it.run == RUN).map(|it| it.job).collect();
        let hands_out = model.status == Some(RunStatus::Running)
            && !model.paused
            && model.held() < self.snapshot.workflow().parallelism.max_active_jobs as usize;
        for (spec, job) in self.snapshot.workflow().jobs.iter().zip(&model.jobs) {
            let is_ready = hands_out && job.status == JobStatus::Ready && self.oracle.is_unhindered(&spec.id);
            let from = job.not_before.unwrap_or_default();
            let (may, must) = (from <= after.after(SLACK), from.after(SLACK) <= before);
            let is_shown = shown.contains(&spec.id);
            let fits = if is_shown { is_ready && may } else { !(is_ready && must) };
            AGREEMENT.holds(fits, || {
                let shown = if is_shown { "shown" } else { "not shown" };
                format!("{} is {} and {shown} as ready", spec.id, job.status)
            })?;
        }
        Ok(())
    }

    async fn expect_leases(&self) -> Holds {
        // A term of nothing moves no deadline.
        let all: Vec<_> = self.oracle.grants().iter().map(|fence| (fence.clone(), Duration::ZERO)).collect();
        let answers = self.store.renew(&all).await.map_err(unexpected)?;
        let before = self.now().await?;
        let due = self.store.due(Some(&self.chain), MANY).await.map_err(unexpected)?;
        let after = self.now().await?;
        for ((fence, _), answer) in all.iter().zip(answers) {
            let live = self.oracle.is_live(fence);
            AGREEMENT.holds(live == matches!(answer, Renewal::Held(_)), || {
                format!("the lease of {fence} is {answer:?}, and live: {live}")
            })?;
            let lapsed = due.lapsed.contains(fence);
            let deadline = self.deadline(fence);
            let (may, must) = (deadline <= after.after(SLACK), deadline.after(SLACK) <= before);
            AGREEMENT.holds(if lapsed { live && may } else { !(live && must) }, || {
                format!("the lease of {fence} is due: {lapsed}, and live: {live}, until {deadline:?}")
            })?;
        }
        Ok(())
    }

    fn deadline(&self, fence: &Fence) -> Timestamp {
        let jobs = self.snapshot.workflow().jobs.iter().zip(&self.oracle.model().jobs);
        let lease = jobs.filter(|(spec, _)| spec.id == fence.job).find_map(|(_, job)| job.lease.as_ref());
        let granted = lease.map(|lease| lease.deadline).unwrap_or_default();
        self.renewed.get(fence).copied().unwrap_or_default().max(granted)
    }

    async fn now(&self) -> Result<Timestamp, Broken> {
        self.store.now().await.map_err(unexpected)
    }

    /// The row of the index that is written anew is the one that grew.
    pub(super) async fn expect_same_after_reindexing(&self) -> Holds {
        self.observer.reindex(RUN).await.map_err(unexpected)?;
        self.expect_index(self.state()).await
    }
}
