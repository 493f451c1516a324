//! The command line.

use std::{num::NonZeroU32, path::PathBuf};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum, builder::PossibleValuesParser};
use striatum::core::{
    id::{LaneId, WorkflowId},
    workflow::Shape,
};

use crate::walls::Walls;

/// Runs a reviewed change on a git repository: drafted, judged, sent back, revised, accepted, delivered on a branch.
///
/// Without arguments it works in a demonstration repository with scripted agents. An unfinished run is gone on with; after a
/// finished one a new one begins. Ctrl-C lets running agents end and then stops; a second one stops them.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = false)]
pub(crate) struct Args {
    /// Where events, blobs, trees and sessions are kept.
    #[arg(long, global = true, default_value = ".striatum", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The repository to work on, instead of the demonstration.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) repo: Option<PathBuf>,
    /// The name in which you confirm, resolve and decide.
    #[arg(long, global = true, env = "USER", default_value = "operator", value_name = "NAME")]
    pub(crate) name: String,
    /// A workflow document to run, instead of the demonstration's.
    #[arg(long, value_name = "FILE")]
    pub(crate) workflow: Option<PathBuf>,
    /// A coding agent for every lane that writes.
    #[cfg(feature = "acp")]
    #[arg(long, value_name = "NAME", value_parser = known_agents(), conflicts_with_all = ["author_command", "check"])]
    pub(crate) agent: Option<String>,
    /// A coding agent for every lane that reviews; the one that writes if only that is given.
    #[cfg(feature = "acp")]
    #[arg(long, value_name = "NAME", value_parser = known_agents(), conflicts_with_all = ["reviewer_command", "check"])]
    pub(crate) reviewer: Option<String>,
    /// A program for every lane that writes, such as "claude -p". It gets its task on standard input.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) author_command: Option<String>,
    /// A program for every lane that reviews.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) reviewer_command: Option<String>,
    /// How programs are spoken to: those that are named here by "command" unless this says so, the scripted ones by "acp".
    #[arg(long, value_name = "HOW")]
    pub(crate) transport: Option<Transport>,
    /// The walls around agents; unless given, the strongest that this host has.
    #[arg(long, global = true, env = "STRIATUM_SANDBOX", value_name = "WALLS")]
    pub(crate) sandbox: Option<Walls>,
    /// Shows a folder or file to agents behind walls, to be read: a tool chain, say. May be given several times.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) mount: Vec<PathBuf>,
    /// Lets agents reach this host through a proxy: `[scheme://]host[:port][/prefix]`, https unless it says http. Whatever is not named
    /// is refused. May be given several times.
    #[cfg(feature = "acp")]
    #[arg(long, global = true, value_name = "RULE")]
    pub(crate) allow: Vec<String>,
    /// Rules for that proxy in a file: for all lanes and for single ones, with methods, paths, and secrets of which agents have
    /// placeholders; see docs/egress.md.
    #[cfg(feature = "acp")]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) egress: Option<PathBuf>,
    /// How much of the processors an agent and all that it starts may use together, such as 1.5; bounded where the host lets
    /// us make control groups, which the first line tells.
    #[arg(long, global = true, value_name = "PROCESSORS", value_parser = processors)]
    pub(crate) processors: Option<NonZeroU32>,
    /// Tells you by this command when a person is wanted: it gets what it is about as JSON on standard input.
    #[arg(long, global = true, value_name = "COMMAND")]
    pub(crate) notify_command: Option<String>,
    /// Tells you by a POST to this address when a person is wanted.
    #[cfg(feature = "acp")]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        requires = "notify_secret",
        conflicts_with = "notify_command"
    )]
    pub(crate) notify_url: Option<String>,
    /// The file with the secret that these requests are signed with, which the receiver knows too.
    #[cfg(feature = "acp")]
    #[arg(long, global = true, value_name = "FILE", requires = "notify_url")]
    pub(crate) notify_secret: Option<PathBuf>,
    /// Let the scripted agent stand in for every lane of the workflow.
    #[arg(long)]
    pub(crate) scripted: bool,
    /// Only judge these workflow documents and play them to their ends, without agents, repository or data folder.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    #[arg(conflicts_with_all = ["repo", "workflow", "author_command", "reviewer_command", "scripted"])]
    pub(crate) check: Vec<PathBuf>,
    /// Print what --check finds as one JSON document.
    #[arg(long, requires = "check")]
    pub(crate) json: bool,
    /// Draw what --check judges in this language, instead of playing it. What cannot be drawn is told as without this.
    #[arg(long, requires = "check", conflicts_with = "json", value_name = "LANGUAGE")]
    pub(crate) draw: Option<Picture>,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

impl Args {
    /// Whether the main job, or what goes on with a run, is what was asked for.
    pub(crate) fn runs_agents(&self) -> bool {
        !matches!(
            self.verb,
            Some(
                Verb::Show { .. }
                    | Verb::Generate(_)
                    | Verb::Cancel { .. }
                    | Verb::Pause { resume: false, .. }
            )
        )
    }

    /// Whether this works as a service, with nobody before it.
    pub(crate) const fn is_service(&self) -> bool {
        #[cfg(feature = "acp")]
        if matches!(self.verb, Some(Verb::Serve { .. })) {
            return true;
        }
        false
    }

    /// The lanes that are left to agents that come for their jobs by themselves.
    pub(crate) fn pulled(&self) -> &[LaneId] {
        #[cfg(feature = "acp")]
        if let Some(Verb::Serve { pull, .. }) = &self.verb {
            return pull;
        }
        &[]
    }

    /// The coding agents that the person named: for lanes that write, and for lanes that review.
    pub(crate) fn hired(&self) -> [Option<&str>; 2] {
        #[cfg(feature = "acp")]
        let hired = [self.agent.as_deref(), self.reviewer.as_deref().or(self.agent.as_deref())];
        #[cfg(not(feature = "acp"))]
        let hired = [None, None];
        hired
    }
}

/// What to do instead of the main job.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Resolve a job that waits for a person, then go on with the run.
    Resolve {
        /// The run, or the beginning of its id.
        run: String,
        /// The job.
        job: String,
        #[command(subcommand)]
        how: How,
    },
    /// Answer what an agent asks, then go on with the run.
    Answer {
        /// The run, or the beginning of its id.
        run: String,
        /// The number of the question.
        question: u32,
        /// The answer.
        text: String,
    },
    /// Rule on an escalation, then go on with the run: whether what was held back may happen.
    Settle {
        /// The run, or the beginning of its id.
        run: String,
        /// The number of the escalation.
        escalation: u32,
        /// The ruling.
        ruling: Judgement,
        /// The reasons.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Raise something that a person is to settle.
    Escalate {
        /// The run, or the beginning of its id.
        run: String,
        /// What it is.
        text: String,
        /// The job that it is about.
        #[arg(long)]
        job: Option<String>,
    },
    /// Declare a completed run unsound.
    Compromise {
        /// The run, or the beginning of its id.
        run: String,
        /// The reasons.
        #[arg(long)]
        reason: String,
    },
    /// Put something else in the place of what a completed job published; everything behind it is done again.
    Supersede {
        /// The run, or the beginning of its id.
        run: String,
        /// The job.
        job: String,
        #[command(flatten)]
        artifacts: Artifacts,
        /// The reasons.
        #[arg(long)]
        reason: String,
    },
    /// Do a job that ended without success once more, with everything behind it.
    Retry {
        /// The run, or the beginning of its id.
        run: String,
        /// The job.
        job: String,
    },
    /// Hand out no more jobs of a run; `--resume` hands them out again.
    Pause {
        /// The run, or the beginning of its id.
        run: String,
        /// Hand out jobs again.
        #[arg(long)]
        resume: bool,
    },
    /// End a run, or one job of it.
    Cancel {
        /// The run, or the beginning of its id.
        run: String,
        /// The job; what waits for it is skipped.
        #[arg(long)]
        job: Option<String>,
    },
    /// Show a run, or all of them.
    Show {
        /// The run, or the beginning of its id.
        run: Option<String>,
    },
    /// Work on the runs of this repository until Ctrl-C, and let operators see and steer them: people, programs and AI operators, by
    /// HTTP, as server-sent events and as tools of the Model Context Protocol. This machine alone is listened to.
    #[cfg(feature = "acp")]
    Serve {
        /// The port; one that is free unless given.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Leaves this lane to agents that come for their jobs by themselves, with a token that an operator issues. May be given several
        /// times. The lanes of other documents are left to them by the adapter "pull".
        #[arg(long, value_name = "LANE")]
        pull: Vec<LaneId>,
        /// The port for these agents; one that is free unless given.
        #[arg(long, default_value_t = 0, requires = "pull")]
        pull_port: u16,
    },
    /// Show a workflow document to start from, with its prompts and roles; `--write` writes them.
    Generate(Scaffolding),
    /// Carry tools between an agent that starts programs for them and their server.
    #[cfg(feature = "acp")]
    #[command(hide = true)]
    Bridge,
    /// Play an agent of the demonstration.
    #[command(hide = true)]
    Agent {
        /// Which one.
        part: String,
        /// What it does.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        script: Vec<String>,
    },
}

/// In which language a workflow is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Picture {
    /// A flowchart for Mermaid.
    Mermaid,
    /// A graph for Graphviz.
    Dot,
}

/// How a program that is an agent is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Over the Agent Client Protocol; it records what it does by tools.
    #[cfg(feature = "acp")]
    Acp,
    /// Its task is its input, its end its answer.
    Command,
}

impl Transport {
    /// How agents are spoken to that the person does not name by a command.
    #[cfg(feature = "acp")]
    pub(crate) const OWN: Self = Self::Acp;
    #[cfg(not(feature = "acp"))]
    pub(crate) const OWN: Self = Self::Command;

    /// The adapter for agents of any name.
    pub(crate) const fn adapter(self) -> &'static str {
        match self {
            #[cfg(feature = "acp")]
            Self::Acp => "acp",
            Self::Command => "process",
        }
    }
}

#[cfg(feature = "acp")]
fn known_agents() -> PossibleValuesParser {
    PossibleValuesParser::new(striatum::acp::Adapter::ALL.iter().map(|adapter| adapter.name))
}

/// How a person rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Judgement {
    /// It may happen.
    Accept,
    /// It may not.
    Reject,
}

/// What is generated, and where.
#[derive(Debug, ClapArgs)]
pub(crate) struct Scaffolding {
    /// The form of the workflow.
    #[arg(long, value_parser = PossibleValuesParser::new(Shape::ALL.iter().map(|shape| shape.as_str())))]
    pub(crate) shape: String,
    /// The name of the workflow.
    #[arg(long, value_name = "ID")]
    pub(crate) workflow_id: WorkflowId,
    /// The folder that the document and its files go into.
    #[arg(long, value_name = "DIR")]
    pub(crate) scaffold_root: PathBuf,
    /// Write the files. None is overwritten.
    #[arg(long)]
    pub(crate) write: bool,
}

/// How a job goes on.
#[derive(Debug, Subcommand)]
pub(crate) enum How {
    /// Go on: a checkpoint with its artifacts, a review with one more round, anything else with another attempt.
    Continue(Artifacts),
    /// Go on at the same attempt: for jobs that were blocked or parked.
    Resume,
    /// Count the job as completed, and write down why.
    Override {
        /// The reasons for the decision.
        #[arg(long)]
        reason: String,
    },
    /// End the job.
    Cancel,
}

/// What the person publishes.
#[derive(Debug, ClapArgs)]
pub(crate) struct Artifacts {
    /// An artifact and the file that holds it; may be given several times.
    #[arg(long = "artifact", value_name = "NAME=FILE")]
    pub(crate) artifacts: Vec<String>,
}

/// Thousandths of a processor, said as processors.
fn processors(text: &str) -> Result<NonZeroU32, String> {
    let wrong = || format!("{text:?} is no number of processors from 0.01 to 1000");
    let number = text.parse::<f64>().ok().filter(|number| (0.01..=1000.0).contains(number));
    let thousandths = format!("{:.0}", number.ok_or_else(wrong)? * 1000.0);
    thousandths.parse().map_err(|_| wrong())
}
