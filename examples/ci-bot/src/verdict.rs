//! What the panel came to.

use std::fmt::Write as _;

use striatum::core::{
    run::{JobState, JobStatus, RunStatus, State, Verdict},
    store::{BlobError, Blobs},
    workflow::JobType,
};

/// What the panel as a whole says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Enough accept.
    Accepted,
    /// So many object that not enough can accept any more.
    Rejected,
    /// Neither.
    Open,
}

/// One reviewer.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) name: String,
    pub(crate) command: String,
    pub(crate) vote: Option<Verdict>,
    pub(crate) status: JobStatus,
    /// What was found, or why nothing was.
    pub(crate) said: String,
    pub(crate) seconds: f64,
}

/// The reviewers, and how many of them have to accept.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) seats: Vec<Seat>,
    quorum: usize,
    status: Option<RunStatus>,
}

impl Panel {
    pub(crate) async fn of(state: &State, blobs: &dyn Blobs) -> Result<Self, BlobError> {
        let mut seats = Vec::new();
        for (spec, job) in state.jobs().filter(|(spec, _)| spec.kind == JobType::Review) {
            let lane = state.workflow().lanes.get(&spec.lane_id);
            seats.push(Seat {
                name: spec.id.to_string(),
                command: lane.map(|lane| lane.command.join(" ")).unwrap_or_default(),
                vote: job.live_verdict().map(|verdict| verdict.verdict),
                status: job.status,
                said: said(job, blobs).await?,
                seconds: job.used.wall_ms as f64 / 1000.0,
            });
        }
        let jobs = &state.workflow().jobs;
        let quorum = jobs.iter().find_map(|job| job.quorum.as_ref()).map_or(1, |quorum| quorum.k as usize);
        Ok(Self { seats, quorum, status: state.status() })
    }

    /// Whether nobody will say anything more.
    pub(crate) fn has_ended(&self) -> bool {
        self.status.is_some_and(RunStatus::has_ended)
    }

    pub(crate) fn judgement(&self) -> Judgement {
        let accepted = |seat: &&Seat| seat.vote.is_some_and(Verdict::is_accepting);
        let objected = |seat: &&Seat| seat.vote.is_some_and(|vote| !vote.is_accepting());
        if self.seats.iter().filter(accepted).count() >= self.quorum {
            return Judgement::Accepted;
        }
        // Whoever said nothing might have accepted.
        let could = self.seats.len() - self.seats.iter().filter(objected).count();
        if could < self.quorum { Judgement::Rejected } else { Judgement::Open }
    }

    pub(crate) fn summary(&self) -> String {
        let mut text = String::new();
        for seat in &self.seats {
            let vote = seat.vote.map_or_else(|| seat.status.to_string(), |vote| vote.to_string());
            // Writing to a text does not fail.
            let _ = writeln!(text, "{:<14} {vote:<22} {}", seat.name, seat.command);
            for line in seat.said.lines() {
                let line: String = line.chars().filter(|c| !c.is_control()).collect();
                let _ = writeln!(text, "    {line}");
            }
        }
        let word = match self.judgement() {
            Judgement::Accepted => "accepted",
            Judgement::Rejected => "rejected",
            Judgement::Open => "could not tell",
        };
        let _ = writeln!(text, "{word}: {} of {} have to accept", self.quorum, self.seats.len());
        text
    }
}

async fn said(job: &JobState, blobs: &dyn Blobs) -> Result<String, BlobError> {
    let found = job.live_verdict().and_then(|verdict| verdict.findings);
    let failed = || job.failed.and_then(|failed| failed.reason);
    match found.or_else(failed) {
        Some(text) => Ok(String::from_utf8_lossy(&blobs.get(&text.digest).await?).into_owned()),
        None => Ok(String::new()),
    }
}
