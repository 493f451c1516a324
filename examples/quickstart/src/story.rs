//! A run's events, told job by job.

use std::{collections::BTreeMap, time::Duration};

use striatum::core::{
    digest::BlobRef,
    id::{JobId, RunId},
    run::{CanceledJob, Deviation, Event, LeaseCause, LeaseEnd, Record, Verdict},
    store::{RunHead, Store},
    time::Timestamp,
};

use crate::failure::Failure;

/// What happened, in the order of the workflow's jobs.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) events: usize,
    pub(crate) took: Duration,
    pub(crate) grants: BTreeMap<JobId, Vec<Chapter>>,
    /// The files that differ from what was judged, if the delivery was held back for them.
    pub(crate) deviations: Vec<Deviation>,
}

/// One grant.
#[derive(Debug)]
pub(crate) struct Chapter {
    pub(crate) attempt: u32,
    pub(crate) epoch: u32,
    begun: Timestamp,
    pub(crate) took: Option<Duration>,
    pub(crate) ended: Option<LeaseCause>,
    pub(crate) verdict: Option<Verdict>,
    /// Why it ended, in words that are kept as a blob.
    pub(crate) reason: Option<BlobRef>,
}

impl Story {
    pub(crate) async fn read(store: &dyn Store, run: RunId) -> Result<Self, Failure> {
        let mut story = Self::default();
        let mut head = RunHead::START;
        let mut begun = None;
        loop {
            let page = store.read_run(&run, head, 500).await?;
            let Some(last) = page.last() else { return Ok(story) };
            for sealed in &page {
                let began = *begun.get_or_insert(sealed.at);
                story.took = sealed.at.since(began);
                story.events += 1;
                let record = Record::decode(&sealed.body).map_err(|error| {
                    Failure::new("history_unsound", error.to_string(), "verify the store")
                })?;
                story.add(&record.event, sealed.at);
            }
            head = RunHead { version: head.version + page.len() as u64, digest: last.digest };
        }
    }

    fn add(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::JobClaimed(e) => self.grants.entry(e.job.clone()).or_default().push(Chapter {
                attempt: e.attempt,
                epoch: e.epoch,
                begun: at,
                took: None,
                ended: None,
                verdict: None,
                reason: None,
            }),
            Event::DeliveryWithheld(e) => self.deviations.clone_from(&e.deviations),
            Event::VerdictRecorded(e) => {
                if let Some(chapter) = self.chapter(&e.job, e.epoch) {
                    chapter.verdict = Some(e.verdict);
                }
            }
            _ => {
                for (job, end) in ends(event) {
                    if let Some(chapter) = self.chapter(job, end.epoch) {
                        chapter.took = Some(at.since(chapter.begun));
                        chapter.ended = Some(end.cause);
                        chapter.reason = end.reason;
                    }
                }
            }
        }
    }

    fn chapter(&mut self, job: &JobId, epoch: u32) -> Option<&mut Chapter> {
        self.grants.get_mut(job)?.iter_mut().find(|chapter| chapter.epoch == epoch)
    }
}

/// The leases that an event ends.
fn ends(event: &Event) -> Vec<(&JobId, &LeaseEnd)> {
    let one = |job, ended| vec![(job, ended)];
    match event {
        Event::JobReadied(e) => e.ended.iter().map(|end| (&e.job, end)).collect(),
        Event::JobCompleted(e) => e.ended.iter().map(|end| (&e.job, end)).collect(),
        Event::JobWaits(e) => e.ended.iter().map(|end| (&e.job, end)).collect(),
        Event::JobSkipped(e) => e.ended.iter().map(|end| (&e.job, end)).collect(),
        Event::JobCanceled(e) => e.ended.iter().map(|end| (&e.job, end)).collect(),
        Event::QuestionAsked(e) => one(&e.job, &e.ended),
        Event::JobBlocked(e) => one(&e.job, &e.ended),
        Event::JobParked(e) => one(&e.job, &e.ended),
        Event::JobFailed(e) => one(&e.job, &e.ended),
        Event::JobQuarantined(e) => one(&e.job, &e.ended),
        Event::JobsReopened(e) => {
            e.jobs.iter().filter_map(|job| Some((&job.job, job.ended.as_ref()?))).collect()
        }
        Event::RunEnded(e) => canceled(&e.canceled),
        Event::JobsCanceled(e) => canceled(&e.jobs),
        _ => Vec::new(),
    }
}

fn canceled(jobs: &[CanceledJob]) -> Vec<(&JobId, &LeaseEnd)> {
    jobs.iter().filter_map(|job| Some((&job.job, job.ended.as_ref()?))).collect()
}
