//! What a person can do about what waits for one.

use striatum::core::{
    digest::Digest,
    run::{
        CancelCause, Checkpoint, Deviation, Escalation, EscalationTopic, IdentityDoubt, JobState, JobStatus,
        State,
    },
    workflow::{Budget, Job},
};

/// The command that helps a job that waits, or that is lost.
pub(crate) fn with_job(again: &str, state: &State, spec: &Job, job: &JobState) -> Option<String> {
    let command = |what: &str, arguments: &str| command(again, what, arguments);
    let resolve = |how: &str| command("waits", &format!("resolve {} {} {how}", state.run().short(), spec.id));
    let help = match (job.status, job.checkpoint) {
        (JobStatus::AwaitingInput, _) => {
            let question = job.open_question()?.number;
            command("waits", &format!("answer {} {question} TEXT", state.run().short()))
        }
        (JobStatus::WaitingHuman, Some(Checkpoint::Planned)) => {
            let artifacts = spec.expected_artifacts.iter().filter(|artifact| artifact.required);
            let artifacts: String =
                artifacts.map(|artifact| format!(" --artifact {}=FILE", artifact.logical_name)).collect();
            resolve(&format!("continue{artifacts} | override --reason TEXT | cancel"))
        }
        (JobStatus::WaitingHuman, Some(Checkpoint::BudgetSpent)) => {
            format!("its budget is used up; {}", resolve("continue | cancel"))
        }
        (JobStatus::WaitingHuman, Some(Checkpoint::Blocked)) => resolve("continue | cancel"),
        (JobStatus::WaitingHuman, _) => resolve("continue | override --reason TEXT | cancel"),
        (JobStatus::Blocked, Some(Checkpoint::Identity)) => {
            resolve("resume | continue | override --reason TEXT | cancel")
        }
        (JobStatus::Blocked | JobStatus::Parked, _) => resolve("resume | continue | cancel"),
        (JobStatus::Failed | JobStatus::Quarantined, _) | (JobStatus::Canceled, _)
            if job.canceled.is_none_or(|by| by == CancelCause::Principal) =>
        {
            command("again", &format!("retry {} {}", state.run().short(), spec.id))
        }
        _ => return None,
    };
    Some(help)
}

/// What is doubted of an agent, with both models.
pub(crate) fn doubted(doubt: &IdentityDoubt) -> String {
    let or_nothing = |model: &Option<String>| model.clone().unwrap_or_else(|| "no model".to_owned());
    match doubt {
        IdentityDoubt::SameFamily { job, author, reviewer, family } => {
            format!("{reviewer} judges what {author} made in {job}, and both are of the family {family}")
        }
        IdentityDoubt::Unreported { job } => format!("the agent of {job} did not report which model it is"),
        IdentityDoubt::Unattested { reported, declared } => format!(
            "the agent attested {}, and its lane declares {}",
            or_nothing(reported),
            or_nothing(declared)
        ),
        _ => "its agent".to_owned(),
    }
}

/// What an escalation is about.
pub(crate) fn raised(escalation: &Escalation) -> &'static str {
    match escalation.raised.topic {
        EscalationTopic::NeedsOperator => "the run lost more than it may lose",
        EscalationTopic::BudgetSpent => "the budget of the run is used up, and it is paused",
        EscalationTopic::UnjudgedDelivery => {
            "the result was not delivered, because it differs from what was judged"
        }
        EscalationTopic::FollowUp => "an agent proposes further work",
        EscalationTopic::Leave => "an agent asks for leave to do something, and waits",
        _ => "somebody asks for help",
    }
}

/// The command that settles an escalation.
pub(crate) fn with_escalation(again: &str, state: &State, escalation: &Escalation) -> String {
    let command = |what: &str, arguments: &str| command(again, what, arguments);
    let (run, number) = (state.run().short(), escalation.raised.escalation);
    let settle = format!("settle {run} {number} accept|reject");
    match escalation.raised.topic {
        EscalationTopic::BudgetSpent => {
            command("grant as much again", &format!("pause {run} --resume | {settle}"))
        }
        EscalationTopic::NeedsOperator => command("retry what was lost, or note that it was seen", &settle),
        _ => command("waits", &settle),
    }
}

/// A file that came out different.
pub(crate) fn differs(deviation: &Deviation) -> String {
    let short = |digest: &Digest| digest.to_string().chars().take(12).collect::<String>();
    let Deviation { job, path, judged, delivered } = deviation;
    let present = delivered.as_ref().map_or_else(|| "not there".to_owned(), &short);
    format!("{path} of {job}: judged {}, now {present}", short(judged))
}

/// What a run with a budget has used of it.
pub(crate) fn used(state: &State) -> Option<String> {
    let Budget { turns, wall_seconds, tokens } = *state.workflow().budget.as_ref()?;
    let used = state.used();
    let parts = [
        (wall_seconds, used.wall_ms / 1000, "seconds"),
        (turns, used.turns.unwrap_or(0), "turns"),
        (tokens, used.tokens(), "tokens"),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(bound, used, unit)| Some(format!("{used} {unit} (budget {})", bound?)));
    Some(parts.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
}

fn command(again: &str, what: &str, arguments: &str) -> String {
    format!("{what}: {again} {arguments}")
}
