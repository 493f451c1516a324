//! Pictures of a workflow, in the languages of Mermaid and Graphviz.

use std::{
    collections::{HashMap, HashSet},
    fmt::{self, Display, Write as _},
};

use crate::{
    id::{JobId, LaneId, PhaseId},
    workflow::{Job, JobType, Workflow},
};

impl Workflow {
    /// The workflow as a Mermaid flowchart: jobs in the colour of their lane and the form of their type, phases as boxes, ways
    /// back dashed.
    pub fn to_mermaid(&self) -> String {
        self.drawn(&Mermaid)
    }

    /// The workflow as a Graphviz graph, drawn as by [`to_mermaid`](Workflow::to_mermaid).
    pub fn to_dot(&self) -> String {
        self.drawn(&Dot)
    }

    fn drawn(&self, language: &dyn Language) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = draw(self, language, &mut text);
        text
    }
}

/// How a picture is written. Jobs go by their numbers, so that no name can be taken for syntax.
trait Language {
    fn begin(&self, text: &mut String) -> fmt::Result;
    fn job(&self, text: &mut String, number: usize, job: &Job, lane: usize) -> fmt::Result;
    fn begin_phase(&self, text: &mut String, number: usize, title: &str) -> fmt::Result;
    fn end_phase(&self, text: &mut String) -> fmt::Result;
    fn edge(&self, text: &mut String, from: usize, to: usize, edge: EdgeKind) -> fmt::Result;
    fn way_back(&self, text: &mut String, from: usize, to: usize, most: u32) -> fmt::Result;
    fn end(&self, text: &mut String, lanes: &[&LaneId]) -> fmt::Result;
}

/// Where an edge comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EdgeKind {
    Declared,
    OfPhase,
}

fn draw(workflow: &Workflow, language: &dyn Language, text: &mut String) -> fmt::Result {
    let lanes: Vec<&LaneId> = workflow.lanes.keys().collect();
    let lane_numbers: HashMap<&LaneId, usize> =
        lanes.iter().enumerate().map(|(place, lane)| (*lane, place)).collect();
    let lane = |job: &Job| lane_numbers.get(&job.lane_id).copied().unwrap_or_default();
    let numbers: HashMap<&JobId, usize> =
        workflow.jobs.iter().enumerate().map(|(index, job)| (&job.id, index)).collect();
    let number = |id: &JobId| numbers.get(id).copied();
    let known: HashSet<&PhaseId> = workflow.phases.iter().map(|phase| &phase.id).collect();
    let mut members: HashMap<Option<&PhaseId>, Vec<usize>> = HashMap::new();
    for (index, job) in workflow.jobs.iter().enumerate() {
        members.entry(job.phase_id.as_ref().filter(|id| known.contains(id))).or_default().push(index);
    }

    language.begin(text)?;
    for (place, phase) in workflow.phases.iter().enumerate() {
        language.begin_phase(text, place, phase.name.as_deref().unwrap_or(phase.id.as_str()))?;
        for &index in members_of(&members, Some(&phase.id)) {
            language.job(text, index, &workflow.jobs[index], lane(&workflow.jobs[index]))?;
        }
        language.end_phase(text)?;
    }
    for &index in members_of(&members, None) {
        language.job(text, index, &workflow.jobs[index], lane(&workflow.jobs[index]))?;
    }
    let mut declared = HashSet::new();
    for edge in &workflow.edges {
        if let (Some(from), Some(to)) = (number(&edge.from), number(&edge.to)) {
            declared.insert((from, to));
            language.edge(text, from, to, EdgeKind::Declared)?;
        }
    }
    for phase in &workflow.phases {
        let Some(to) = number(&phase.synthesis_job_id) else { continue };
        let peers = members_of(&members, Some(&phase.id)).iter().filter(|from| **from != to);
        for &from in peers.filter(|from| !declared.contains(&(**from, to))) {
            language.edge(text, from, to, EdgeKind::OfPhase)?;
        }
    }
    for cycle in &workflow.cycles {
        if let (Some(from), Some(to)) = (number(&cycle.from), number(&cycle.to)) {
            language.way_back(text, from, to, cycle.max_iterations)?;
        }
    }
    language.end(text, &lanes)
}

/// The jobs of a phase, or of none.
fn members_of<'m>(
    members: &'m HashMap<Option<&PhaseId>, Vec<usize>>,
    phase: Option<&'m PhaseId>,
) -> &'m [usize] {
    members.get(&phase).map(Vec::as_slice).unwrap_or_default()
}

/// Colours that can be told apart, light enough for black text; lanes take them in turn.
const COLOURS: [&str; 6] = ["#cfe2ff", "#d1e7dd", "#fff3cd", "#f8d7da", "#e2d9f3", "#d2f4ea"];

struct Mermaid;

impl Language for Mermaid {
    fn begin(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "flowchart TD")
    }

    fn job(&self, text: &mut String, number: usize, job: &Job, lane: usize) -> fmt::Result {
        let (open, close) = match job.kind {
            JobType::Review if job.is_advisory() => ("{{", "}}"),
            JobType::Review => ("{", "}"),
            JobType::PhaseSynthesis => ("{{", "}}"),
            JobType::HumanCheckpoint => ("[/", "/]"),
            JobType::Ledger => ("[(", ")]"),
            JobType::Draft | JobType::Synthesis => ("(", ")"),
            JobType::Build | JobType::Test | JobType::Generic => ("[", "]"),
        };
        let (title, kind) = (entities(&job.title), job.kind);
        writeln!(
            text,
            "  j{number}{open}\"{title}<br/>{kind}, {}\"{close}:::l{lane}",
            entities(job.lane_id.as_str())
        )
    }

    fn begin_phase(&self, text: &mut String, number: usize, title: &str) -> fmt::Result {
        writeln!(text, "  subgraph p{number}[\"{}\"]", entities(title))
    }

    fn end_phase(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "  end")
    }

    fn edge(&self, text: &mut String, from: usize, to: usize, edge: EdgeKind) -> fmt::Result {
        let arrow = match edge {
            EdgeKind::Declared => "-->",
            EdgeKind::OfPhase => "==>",
        };
        writeln!(text, "  j{from} {arrow} j{to}")
    }

    fn way_back(&self, text: &mut String, from: usize, to: usize, most: u32) -> fmt::Result {
        writeln!(text, "  j{from} -. \"needs_revision, at most {most}\" .-> j{to}")
    }

    fn end(&self, text: &mut String, lanes: &[&LaneId]) -> fmt::Result {
        for lane in 0..lanes.len() {
            writeln!(text, "  classDef l{lane} fill:{}", COLOURS[lane % COLOURS.len()])?;
        }
        Ok(())
    }
}

struct Dot;

impl Language for Dot {
    fn begin(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "digraph workflow {{\n  node [style=filled];")
    }

    fn job(&self, text: &mut String, number: usize, job: &Job, lane: usize) -> fmt::Result {
        let shape = match job.kind {
            JobType::Review if job.is_advisory() => "hexagon",
            JobType::Review => "diamond",
            JobType::PhaseSynthesis => "doubleoctagon",
            JobType::HumanCheckpoint => "parallelogram",
            JobType::Ledger => "cylinder",
            JobType::Draft | JobType::Synthesis => "ellipse",
            JobType::Build | JobType::Test | JobType::Generic => "box",
        };
        let (title, kind, colour) = (quoted(&job.title), job.kind, COLOURS[lane % COLOURS.len()]);
        let label = format!("{title}\\n{kind}, {}", quoted(job.lane_id.as_str()));
        writeln!(text, "  j{number} [shape={shape}, fillcolor=\"{colour}\", label=\"{label}\"];")
    }

    fn begin_phase(&self, text: &mut String, number: usize, title: &str) -> fmt::Result {
        writeln!(text, "  subgraph cluster_{number} {{\n  label=\"{}\";", quoted(title))
    }

    fn end_phase(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "  }}")
    }

    fn edge(&self, text: &mut String, from: usize, to: usize, edge: EdgeKind) -> fmt::Result {
        let style = match edge {
            EdgeKind::Declared => "",
            EdgeKind::OfPhase => " [style=bold]",
        };
        writeln!(text, "  j{from} -> j{to}{style};")
    }

    fn way_back(&self, text: &mut String, from: usize, to: usize, most: u32) -> fmt::Result {
        let label = format!("needs_revision, at most {most}");
        writeln!(text, "  j{from} -> j{to} [style=dashed, constraint=false, label=\"{label}\"];")
    }

    fn end(&self, text: &mut String, _: &[&LaneId]) -> fmt::Result {
        writeln!(text, "}}")
    }
}

impl Display for JobType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Text inside a quoted Mermaid label: whatever could end it, or begin markup, is an entity; there is one line.
fn entities(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_alphanumeric() || " .,:-_()/'!?+=".contains(c) => escaped.push(c),
            c if c.is_whitespace() || c.is_control() => escaped.push(' '),
            c => {
                // Writing to a `String` cannot fail.
                let _ = write!(escaped, "#{};", u32::from(c));
            }
        }
    }
    escaped
}

/// Text inside a quoted DOT label.
fn quoted(text: &str) -> String {
    let line = text.replace(|c: char| c.is_control(), " ");
    line.replace('\\', "\\\\").replace('"', "\\\"")
}
