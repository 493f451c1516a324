//! Phases: who belongs to them, who adjudicates them, and which edges lead from one to the next.

use std::collections::{HashMap, HashSet};

use super::{
    document::{Draft, inside, stand_in},
    known::Context,
    reader::At,
    report::{Detail, Report},
};
use crate::{
    id::{JobId, PhaseId},
    workflow::{FindingCode, Job, JobType, Phase, SchemaVersion, Severity},
};

/// A phase as it stands in the document.
#[derive(Debug)]
pub(super) struct Read {
    written: Written,
    id: PhaseId,
    name: Option<String>,
    description: Option<String>,
}

/// What a document says about a phase and the phase does not keep.
#[derive(Debug)]
pub(super) struct Written {
    /// Its index in the document.
    index: usize,
    /// Its synthesis, if it is named.
    synthesis: Option<JobId>,
}

pub(super) fn read(at: &At<'_>, index: usize, context: &Context<'_>) -> Option<Read> {
    let fields = at.fields()?;
    let id = fields.required("id").and_then(|at| at.name());
    let name = fields.text("name");
    let description = fields.text("description");
    let synthesis = fields.get("synthesis_job_id");
    let is_named = synthesis.is_some();
    let synthesis = synthesis.and_then(|at| context.jobs.resolve(&at));
    fields.finish();
    if is_named && synthesis.is_none() {
        return None;
    }
    Some(Read { written: Written { index, synthesis }, id: id?, name, description })
}

/// Finds the synthesis of each phase. One that has none gets a stand-in, and is reported by [`judge`].
pub(super) fn settle(phases: Vec<Read>, jobs: &[Job]) -> (Vec<Phase>, Vec<Written>) {
    let mut adjudicators: HashMap<&PhaseId, &JobId> = HashMap::new();
    for job in jobs.iter().rev().filter(|job| job.kind == JobType::PhaseSynthesis) {
        adjudicators.extend(job.phase_id.as_ref().map(|phase| (phase, &job.id)));
    }
    let settle = |phase: Read| {
        let Read { written, id, name, description } = phase;
        let synthesis_job_id = adjudicators.get(&id).copied().cloned().or_else(stand_in)?;
        Some((Phase { id, name, description, synthesis_job_id }, written))
    };
    phases.into_iter().filter_map(settle).unzip()
}

pub(super) fn judge(draft: &Draft, report: &Report) {
    let has_phases = !draft.workflow.phases.is_empty();
    if !draft.is_whole || has_phases && draft.workflow.schema_version < SchemaVersion::V1_1 {
        return;
    }
    let mut members: HashMap<&PhaseId, Vec<usize>> = HashMap::new();
    for (position, (job, written)) in draft.workflow.jobs.iter().zip(&draft.jobs).enumerate() {
        match &job.phase_id {
            Some(phase) => members.entry(phase).or_default().push(position),
            None if written.names_phase => {}
            None if has_phases || job.kind == JobType::PhaseSynthesis => {
                let message = format!("{} belongs to no phase", job.id);
                report.error(FindingCode::MissingKey, inside("jobs", written.index, "/phase_id"), message);
            }
            None => {}
        }
    }
    let mut seen = HashSet::new();
    for (phase, written) in draft.workflow.phases.iter().zip(&draft.phases) {
        if !seen.insert(&phase.id) {
            let message = format!("the phase {} is declared twice", phase.id);
            report.error(FindingCode::DuplicatePhase, inside("phases", written.index, "/id"), message);
            continue;
        }
        let members = members.get(&phase.id).map(Vec::as_slice).unwrap_or_default();
        synthesis(draft, phase, written, members, report);
    }
    edges(draft, report);
}

fn synthesis(draft: &Draft, phase: &Phase, written: &Written, members: &[usize], report: &Report) {
    let jobs = &draft.workflow.jobs;
    let is_synthesis = |job: &usize| jobs[*job].kind == JobType::PhaseSynthesis;
    let mut found = members.iter().copied().filter(is_synthesis);
    let Some(first) = found.next() else {
        let message = format!("nothing adjudicates the phase {}", phase.id);
        report.error(FindingCode::PhaseWithoutSynthesis, inside("phases", written.index, ""), message);
        return;
    };
    for second in found {
        let message = format!("the phase {} is adjudicated by {} already", phase.id, jobs[first].id);
        let pointer = inside("jobs", draft.jobs[second].index, "/type");
        report.error(FindingCode::SecondPhaseSynthesis, pointer, message);
    }
    if members.iter().all(is_synthesis) {
        let message = format!("the phase {} has nothing to adjudicate", phase.id);
        report.error(FindingCode::PhaseWithoutPeers, inside("phases", written.index, ""), message);
    }
    let named = written.synthesis.as_ref();
    if let Some(named) =
        named.filter(|named| !members.iter().any(|job| is_synthesis(job) && jobs[*job].id == **named))
    {
        report.add(Severity::Error, FindingCode::PhaseSynthesisMismatch, || {
            let message = format!("{named} does not adjudicate the phase {}", phase.id);
            let pointer = inside("phases", written.index, "/synthesis_job_id");
            Detail::new(pointer, message).suggest(Some(jobs[first].id.as_str()))
        });
    }
}

/// An edge stays inside its phase, or leads from the synthesis of one to the phase that follows it in the list.
fn edges(draft: &Draft, report: &Report) {
    let places: HashMap<&PhaseId, usize> =
        draft.workflow.phases.iter().enumerate().rev().map(|(place, phase)| (&phase.id, place)).collect();
    let place = |job: &Job| places.get(job.phase_id.as_ref()?).copied();
    let jobs: HashMap<&JobId, &Job> = draft.workflow.jobs.iter().map(|job| (&job.id, job)).collect();
    for (edge, index) in draft.workflow.edges.iter().zip(&draft.edges) {
        let (Some(from), Some(to)) = (jobs.get(&edge.from), jobs.get(&edge.to)) else { continue };
        let (Some(leaves), Some(enters)) = (place(from), place(to)) else { continue };
        let is_handover = from.kind == JobType::PhaseSynthesis && enters == leaves + 1;
        if leaves != enters && !is_handover {
            report.add(Severity::Error, FindingCode::CrossPhaseEdge, || {
                let phase = &draft.workflow.phases[leaves];
                let message = format!("{} cannot wait for {} in the phase {}", edge.to, edge.from, phase.id);
                let correct = Some(phase.synthesis_job_id.as_str()).filter(|_| enters == leaves + 1);
                Detail::new(inside("edges", *index, "/from"), message).suggest(correct)
            });
        }
    }
}
