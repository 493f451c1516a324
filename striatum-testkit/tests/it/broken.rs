//! A store that breaks one rule.
#![expect(clippy::unwrap_used, reason = "a mutant that cannot do its mischief is a mistake of these tests")]

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use striatum_core::{
    chain::{Position, Sealed},
    id::{ChainId, Fence, JobId, RunId},
    run::Bodies,
    store::{
        AppendError, Batch, ChainInfo, ChainMeta, Due, IndexDelta, Mark, Page, ReadyJob, ReadyQuery, Renewal,
        RunHead, RunQuery, RunSummary, Store, StoreError, StoreErrorKind, Taken, Wait,
    },
    time::Timestamp,
};
use striatum_testkit::store::{Ability, MemoryStores, Place, StoreFactory};

use left::Asked;

mod left;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A repeated batch is a conflict.
    ForgetsWhatItWrote,
    /// A batch is a repetition if its events are among those that followed.
    TakesABeginningForAll,
    /// A guard is looked at before the log.
    GuardsRepetitions,
    /// A guard is not looked at.
    IgnoresGuards,
    /// Resources are not looked at.
    IgnoresResources,
    /// A run holds a resource, whichever of its jobs took it.
    SharesWithinARun,
    /// A head is a number.
    IgnoresTheDigestOfAHead,
    /// A batch that comes too late is appended to whatever stands there.
    AppendsToAnyHead,
    /// The batch is written in two transactions.
    TearsBatches,
    /// The event behind a page is skipped.
    SkipsBetweenPages,
    /// A cursor is a number.
    IgnoresTheDigestOfACursor,
    /// The stored time is not the one that was hashed.
    ChangesTimes,
    /// Any lease is renewed.
    RenewsAnything,
    /// A lease is renewed although an event ended it.
    RenewsWhatEnded,
    /// Nobody is withheld a job.
    WithholdsNothing,
    /// Jobs are taken from one run first.
    PrefersARun,
    /// Any growth ends any wait.
    WakesForAnyChain,
    /// An empty log has the default mark.
    CountsMarksFromZero,
    /// Runs are listed the wrong way round.
    ListsOldestFirst,
    /// Runs that began at the same moment are listed by id, but upwards.
    ListsTiesUpwards,
    /// Runs that are done with are listed among the active ones.
    ListsWhatIsDoneWith,
    /// Chains are listed as people sort words.
    SortsChainsLikeWords,
    /// Jobs that the caller was refused are left out of an answer that was cut off before.
    CountsRefusedJobs,
    /// Leases of any chain are due.
    SpeaksOfAllChains,
    /// A rebuilt index begins all terms anew.
    RestartsTerms,
    /// A rebuilt index holds no resource.
    FreesWhatIsHeld,
    /// A rebuilt index goes without the resources that others hold.
    OverlooksOtherHolders,
    /// A rebuilt index is thrown away.
    IgnoresReindexing,
    /// Nobody is told when to look again.
    ForgetsWhatIsNext,
    /// A batch is acknowledged before it is where a crash cannot reach it.
    AcknowledgesEarly,
    /// A crash leaves the beginning of a batch.
    LeavesHalves,
    /// A batch that was refused is written down for later.
    KeepsWhatItRefused,
}

pub(crate) struct BrokenFactory {
    inner: MemoryStores,
    fault: Fault,
    /// What was appended where, for crashes that go wrong.
    asked: Mutex<HashMap<Place, Arc<Mutex<Asked>>>>,
    /// Where that what lay somewhere lies after a crash.
    moved: Mutex<HashMap<Place, Place>>,
}

impl BrokenFactory {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { inner: MemoryStores::default(), fault, asked: Mutex::default(), moved: Mutex::default() }
    }

    fn asked(&self, place: &Place) -> Arc<Mutex<Asked>> {
        self.asked.lock().unwrap().entry(place.clone()).or_default().clone()
    }

    /// Where a place lies by now.
    fn lies(&self, place: &Place) -> Place {
        self.moved.lock().unwrap().get(place).unwrap_or(place).clone()
    }
}

#[async_trait]
impl StoreFactory for BrokenFactory {
    async fn open(&self, place: &Place) -> Arc<dyn Store> {
        let inner = self.inner.open(&self.lies(place)).await;
        Arc::new(Broken { inner, fault: self.fault, ended: Mutex::default(), asked: self.asked(place) })
    }

    async fn advance(&self, place: &Place, by: Duration) {
        self.inner.advance(place, by).await;
    }

    async fn turn_back(&self, place: &Place, by: Duration) -> Ability {
        self.inner.turn_back(place, by).await
    }

    async fn drop_indexes(&self, place: &Place) -> Ability {
        self.inner.drop_indexes(place).await
    }

    async fn damage(&self, place: &Place, run: RunId, version: u64) -> Ability {
        self.inner.damage(place, run, version).await
    }

    async fn crash(&self, place: &Place) -> Ability {
        let left = self.asked(place).lock().unwrap().left(self.fault);
        let Some(left) = left else { return self.inner.crash(place).await };
        // The clock stands still, so what is written again is what it was.
        let (before, after) = (self.inner.open(&self.lies(place)).await, Place::unused());
        let store = self.inner.open(&after).await;
        for info in before.chains().await.unwrap() {
            store.open_chain(&info.chain, &ChainMeta { label: info.label }).await.unwrap();
        }
        for batch in left {
            store.append(&rebuilt(&batch, batch.expected())).await.unwrap();
        }
        self.moved.lock().unwrap().insert(place.clone(), after);
        Ability::Done
    }
}

#[derive(Debug)]
struct Broken {
    inner: Arc<dyn Store>,
    fault: Fault,
    ended: Mutex<HashSet<Fence>>,
    asked: Arc<Mutex<Asked>>,
}

/// The same batch behind another head, without its guard.
fn rebuilt(batch: &Batch, expected: RunHead) -> Batch {
    changed(batch, expected, |_| ())
}

fn changed(batch: &Batch, expected: RunHead, change: impl FnOnce(&mut IndexDelta)) -> Batch {
    let mut delta = batch.delta().clone();
    change(&mut delta);
    Batch::new(batch.chain().clone(), batch.run(), expected, batch.bodies().clone(), delta).unwrap()
}

fn guarded(batch: Batch, like: &Batch) -> Batch {
    match like.guard() {
        Some(guard) => batch.guarded(guard.clone()).unwrap(),
        None => batch,
    }
}

impl Broken {
    /// The true head of a run at a version, or its last.
    async fn head_at(&self, run: RunId, version: u64) -> RunHead {
        let events = self.inner.read_run(&run, RunHead::START, usize::MAX).await.unwrap();
        let version = version.min(events.len() as u64);
        let last = events.into_iter().take(version as usize).last();
        last.map_or(RunHead::START, |event| RunHead { version, digest: event.digest })
    }

    async fn is_written(&self, batch: &Batch) -> bool {
        let events =
            self.inner.read_run(&batch.run(), batch.expected(), usize::MAX).await.unwrap_or_default();
        !events.is_empty() && events.iter().map(|event| &*event.body).eq(batch.bodies().iter())
    }

    async fn begins_what_followed(&self, batch: &Batch) -> bool {
        let events =
            self.inner.read_run(&batch.run(), batch.expected(), usize::MAX).await.unwrap_or_default();
        let begun = events.iter().take(batch.bodies().len());
        begun.map(|event| &*event.body).eq(batch.bodies().iter())
    }

    async fn tear(&self, batch: &Batch) -> Result<RunHead, AppendError> {
        let mut head = batch.expected();
        for body in batch.bodies().iter() {
            let (body, delta) = (Bodies::from_iter([body]), batch.delta().clone());
            let part = Batch::new(batch.chain().clone(), batch.run(), head, body, delta).unwrap();
            head = self.inner.append(&part).await?;
            tokio::task::yield_now().await;
        }
        Ok(head)
    }
}

#[async_trait]
impl Store for Broken {
    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.inner.now().await
    }

    async fn open_chain(&self, chain: &ChainId, meta: &ChainMeta) -> Result<Position, StoreError> {
        self.inner.open_chain(chain, meta).await
    }

    async fn chains(&self) -> Result<Vec<ChainInfo>, StoreError> {
        let mut chains = self.inner.chains().await?;
        if self.fault == Fault::SortsChainsLikeWords {
            chains.sort_by_key(|info| info.chain.as_str().to_lowercase());
        }
        Ok(chains)
    }

    async fn append(&self, batch: &Batch) -> Result<RunHead, AppendError> {
        match self.fault {
            Fault::ForgetsWhatItWrote if self.is_written(batch).await => Err(AppendError::Conflict),
            Fault::GuardsRepetitions if batch.guard().is_some() && self.is_written(batch).await => {
                Err(AppendError::GuardFailed)
            }
            Fault::TakesABeginningForAll if self.begins_what_followed(batch).await => {
                Ok(self.head_at(batch.run(), u64::MAX).await)
            }
            Fault::IgnoresGuards => self.inner.append(&rebuilt(batch, batch.expected())).await,
            Fault::IgnoresResources => {
                let bare = changed(batch, batch.expected(), |delta| delta.taken.clear());
                self.inner.append(&guarded(bare, batch)).await
            }
            Fault::SharesWithinARun => {
                let one = JobId::new("one").unwrap();
                let shared = changed(batch, batch.expected(), |delta| {
                    delta.taken.iter_mut().for_each(|taken| taken.job = one.clone());
                });
                self.inner.append(&guarded(shared, batch)).await
            }
            Fault::IgnoresTheDigestOfAHead => {
                let expected = self.head_at(batch.run(), batch.expected().version).await;
                self.inner.append(&rebuilt(batch, expected)).await
            }
            Fault::AppendsToAnyHead => match self.inner.append(batch).await {
                Err(AppendError::Conflict) => {
                    let expected = self.head_at(batch.run(), u64::MAX).await;
                    self.inner.append(&rebuilt(batch, expected)).await
                }
                answer => answer,
            },
            Fault::TearsBatches if batch.guard().is_none() => self.tear(batch).await,
            Fault::RenewsWhatEnded => {
                let answer = self.inner.append(batch).await;
                if answer.is_ok() {
                    self.ended.lock().unwrap().extend(batch.delta().ended.iter().cloned());
                }
                answer
            }
            Fault::AcknowledgesEarly | Fault::LeavesHalves | Fault::KeepsWhatItRefused => {
                let answer = self.inner.append(batch).await;
                let mut asked = self.asked.lock().unwrap();
                match answer {
                    Ok(_) => asked.appended.push(batch.clone()),
                    Err(AppendError::GuardFailed) => asked.refused.push(batch.clone()),
                    Err(_) => {}
                }
                answer
            }
            _ => self.inner.append(batch).await,
        }
    }

    async fn read(&self, chain: &ChainId, after: Position, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        match self.fault {
            Fault::SkipsBetweenPages if after.seq > 0 => {
                let page = self.inner.read(chain, after, limit.saturating_add(1)).await?;
                Ok(page.into_iter().skip(1).collect())
            }
            Fault::IgnoresTheDigestOfACursor => {
                let all = self.inner.read(chain, Position::genesis(chain), usize::MAX).await?;
                Ok(all.into_iter().skip(after.seq as usize).take(limit).collect())
            }
            Fault::ChangesTimes => {
                let mut page = self.inner.read(chain, after, limit).await?;
                page.iter_mut().for_each(|event| event.at = event.at.after(Duration::from_micros(1)));
                Ok(page)
            }
            _ => self.inner.read(chain, after, limit).await,
        }
    }

    async fn read_run(&self, run: &RunId, after: RunHead, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        self.inner.read_run(run, after, limit).await
    }

    async fn head(&self, chain: &ChainId) -> Result<Position, StoreError> {
        self.inner.head(chain).await
    }

    async fn runs(&self, query: &RunQuery) -> Result<Page<RunSummary>, StoreError> {
        let active = query.active && self.fault != Fault::ListsWhatIsDoneWith;
        let mut page = self.inner.runs(&RunQuery { active, ..query.clone() }).await?;
        match self.fault {
            Fault::ListsOldestFirst => page.items.reverse(),
            Fault::ListsTiesUpwards => page.items.sort_by_key(|item| (Reverse(item.created_at), item.run)),
            _ => {}
        }
        Ok(page)
    }

    async fn ready(&self, query: &ReadyQuery) -> Result<Vec<ReadyJob>, StoreError> {
        let shown = match self.fault {
            Fault::WithholdsNothing => ReadyQuery { hold: Duration::ZERO, ..query.clone() },
            Fault::PrefersARun => ReadyQuery { limit: 1_000, ..query.clone() },
            Fault::CountsRefusedJobs => ReadyQuery { except: Vec::new(), ..query.clone() },
            _ => return self.inner.ready(query).await,
        };
        let mut jobs = self.inner.ready(&shown).await?;
        if self.fault == Fault::PrefersARun {
            jobs.sort_by_key(|job| job.run);
            jobs.truncate(query.limit);
        }
        jobs.retain(|job| !query.except.contains(&(job.run, job.job.clone())));
        Ok(jobs)
    }

    async fn renew(&self, leases: &[(Fence, Duration)]) -> Result<Vec<Renewal>, StoreError> {
        let mut answers = self.inner.renew(leases).await?;
        let now = self.inner.now().await?;
        let ended = self.ended.lock().unwrap();
        for (answer, (fence, term)) in answers.iter_mut().zip(leases) {
            if self.fault == Fault::RenewsAnything || ended.contains(fence) {
                *answer = Renewal::Held(now.after(*term));
            }
        }
        Ok(answers)
    }

    async fn due(&self, chain: Option<&ChainId>, limit: usize) -> Result<Due, StoreError> {
        let chain = chain.filter(|_| self.fault != Fault::SpeaksOfAllChains);
        let mut due = self.inner.due(chain, limit).await?;
        if self.fault == Fault::ForgetsWhatIsNext {
            due.next = None;
        }
        Ok(due)
    }

    async fn changed(&self, wait: &Wait) -> Result<Mark, StoreError> {
        match (self.fault, &wait.chain) {
            (Fault::WakesForAnyChain, Some(_)) if wait.after != Mark::default() => {
                self.inner.changed(&Wait { chain: None, ..wait.clone() }).await
            }
            (Fault::CountsMarksFromZero, Some(chain)) => {
                self.inner.changed(&Wait { chain: Some(chain.clone()), after: Mark::default() }).await?;
                let head = self.inner.head(chain).await?;
                match head.seq {
                    seq if seq > wait.after.0 || wait.after == Mark::default() => Ok(Mark(seq)),
                    _ => Err(StoreError::new(StoreErrorKind::Other, "wait")),
                }
            }
            _ => self.inner.changed(wait).await,
        }
    }

    async fn reindex(&self, run: &RunId, expected: RunHead, index: &IndexDelta) -> Result<(), AppendError> {
        let held = |taken: &[Taken]| IndexDelta { taken: taken.to_vec(), ..index.clone() };
        match self.fault {
            Fault::IgnoresReindexing => Ok(()),
            Fault::RestartsTerms => {
                self.inner.reindex(run, expected, &IndexDelta::new(index.run.clone())).await?;
                self.inner.reindex(run, expected, index).await
            }
            Fault::FreesWhatIsHeld => self.inner.reindex(run, expected, &held(&[])).await,
            Fault::OverlooksOtherHolders => match self.inner.reindex(run, expected, index).await {
                Err(AppendError::Busy { .. }) => self.inner.reindex(run, expected, &held(&[])).await,
                answer => answer,
            },
            _ => self.inner.reindex(run, expected, index).await,
        }
    }
}
