//! Whether what jobs ask of reviews, and of each other, can be had.

use std::collections::{HashMap, HashSet};

use super::{
    document::{Draft, inside},
    report::{Detail, Report},
};
use crate::{
    id::JobId,
    workflow::{FindingCode, Job, JobType, Posture, Severity, order::Order},
};

pub(super) fn judge(draft: &Draft, order: &Order, report: &Report) {
    let judges = Judges::of(draft, order);
    for (position, (job, written)) in draft.workflow.jobs.iter().zip(&draft.jobs).enumerate() {
        quorum(draft, order, position, written.index, report);
        abstentions(draft, order, &judges, position, report);
        postures(job, position, written.index, order, &judges, report);
        targets(draft, order, position, written.index, report);
    }
    if !draft.workflow.jobs.is_empty() && draft.workflow.jobs.iter().all(Job::is_advisory) {
        report.error(FindingCode::NoExit, "/jobs".to_owned(), "every job is an advisory review");
    }
}

/// The gating reviews, by what they give and by what they may send back.
struct Judges<'d> {
    by_posture: HashMap<&'d Posture, Vec<usize>>,
    by_target: HashMap<&'d JobId, HashSet<usize>>,
}

impl<'d> Judges<'d> {
    fn of(draft: &'d Draft, order: &Order) -> Self {
        let mut judges = Self { by_posture: HashMap::new(), by_target: HashMap::new() };
        let jobs = &draft.workflow.jobs;
        for (position, job) in jobs.iter().enumerate().filter(|(_, job)| job.is_gating_review()) {
            if let Some(posture) = &job.review_posture {
                judges.by_posture.entry(posture).or_default().push(position);
            }
        }
        for cycle in &draft.workflow.cycles {
            let review = order.graph().index(&cycle.from).filter(|review| jobs[*review].is_gating_review());
            judges.by_target.entry(&cycle.to).or_default().extend(review);
        }
        judges
    }
}

/// The gating reviews that lead to a job directly.
fn seats<'d>(draft: &'d Draft, order: &'d Order, job: usize) -> impl Iterator<Item = usize> + Clone + 'd {
    let jobs = &draft.workflow.jobs;
    order.graph().upstream(job).iter().copied().filter(|seat| jobs[*seat].is_gating_review())
}

fn quorum(draft: &Draft, order: &Order, job: usize, index: usize, report: &Report) {
    let jobs = &draft.workflow.jobs;
    let Some(quorum) = &jobs[job].quorum else { return };
    let place = |rest: &str| inside("jobs", index, &format!("/quorum{rest}"));
    let seats = seats(draft, order, job);
    let count = seats.clone().count();
    if count == 0 || jobs[job].kind == JobType::PhaseSynthesis {
        let message = match jobs[job].kind {
            JobType::PhaseSynthesis => {
                "a phase synthesis waits for completion only, whatever the verdicts are"
            }
            _ => "no edge leads here from a gating review",
        };
        report.error(FindingCode::QuorumWithoutSeats, place(""), message);
        return;
    }
    if usize::try_from(quorum.k).is_ok_and(|k| k > count) {
        report.add(Severity::Error, FindingCode::QuorumExceedsSeats, || {
            let message = format!("{} must accept, and {count} gating reviews lead here", quorum.k);
            Detail::new(place("/k"), message).suggest(Some(count.to_string()))
        });
    }
    let roles: HashSet<_> = seats.map(|seat| &jobs[seat].role_id).collect();
    for (position, role) in quorum.veto_roles.iter().enumerate().filter(|(_, role)| !roles.contains(role)) {
        let message = format!("no gating review of the role {role} leads here");
        report.error(FindingCode::VetoWithoutSeat, place(&format!("/veto_roles/{position}")), message);
    }
}

fn abstentions(draft: &Draft, order: &Order, judges: &Judges<'_>, job: usize, report: &Report) {
    let Job { id, max_gating_abstentions, .. } = &draft.workflow.jobs[job];
    if *max_gating_abstentions == 0 {
        return;
    }
    let cohort = judges.by_target.get(id).map_or(0, HashSet::len);
    let most = cohort.max(seats(draft, order, job).count());
    if usize::try_from(*max_gating_abstentions).is_ok_and(|missing| missing > most) {
        report.add(Severity::Error, FindingCode::AbstentionsExceedSeats, || {
            let message =
                format!("{max_gating_abstentions} gating reviews may be missing, and there are {most}");
            let pointer = inside("jobs", draft.jobs[job].index, "/max_gating_abstentions");
            Detail::new(pointer, message).suggest(Some(most.to_string()))
        });
    }
}

fn postures(job: &Job, position: usize, index: usize, order: &Order, judges: &Judges<'_>, report: &Report) {
    for (place, posture) in job.required_review_postures.iter().enumerate() {
        let reviews = judges.by_posture.get(posture).map(Vec::as_slice).unwrap_or_default();
        let concerns =
            |review: &usize| order.is_before(*review, position) || order.is_before(position, *review);
        if !reviews.iter().any(concerns) {
            let posture = String::from(posture.clone());
            let message = format!("no gating review before or behind {} has the posture {posture}", job.id);
            let pointer = inside("jobs", index, &format!("/required_review_postures/{place}"));
            report.error(FindingCode::PostureNotGiven, pointer, message);
        }
    }
}

fn targets(draft: &Draft, order: &Order, job: usize, index: usize, report: &Report) {
    let jobs = &draft.workflow.jobs;
    let mut seen = HashSet::new();
    for (place, target) in jobs[job].interrogation_targets.iter().enumerate() {
        let Some(asked) = order.graph().index(&target.workflow_job_id) else { continue };
        let pointer = inside("jobs", index, &format!("/interrogation_targets/{place}"));
        let id = &jobs[asked].id;
        if !seen.insert(asked) {
            let message = format!("{id} is asked already");
            report.error(FindingCode::DuplicateEntry, pointer, message);
        } else if !order.is_before(asked, job) {
            let message = format!("{id} need not be completed when {} starts", jobs[job].id);
            report.error(FindingCode::TargetNotUpstream, pointer, message);
        } else if !jobs[asked].interrogable {
            report.error(
                FindingCode::TargetNotInterrogable,
                pointer,
                format!("{id} does not offer to be asked"),
            );
        }
    }
}
