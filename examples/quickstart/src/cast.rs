//! Who plays which lane: the agents that the command line puts in place of the document's own.

use std::path::Path;

use striatum::core::{
    id::LaneId,
    workflow::{JobType, Workflow},
};

#[cfg(feature = "acp")]
use crate::coding;
use crate::{
    args::{Args, Transport},
    failure::Failure,
};

/// The adapter of lanes that are left to agents that come for their jobs by themselves.
pub(crate) const PULLED: &str = "pull";

/// What takes the place of a lane's agent.
enum Player {
    /// A coding agent that is known.
    #[cfg(feature = "acp")]
    Known(&'static striatum::acp::Adapter),
    /// A program that the person names.
    Named(Vec<String>),
    /// This program, in one of its parts.
    Own(&'static str),
    /// Whoever comes.
    Comes,
}

/// Whether the document's own agents are to be replaced.
pub(crate) fn is_wanted(args: &Args, is_demo: bool) -> bool {
    let commands = [&args.author_command, &args.reviewer_command];
    let is_named = args.hired().iter().any(Option::is_some) || commands.into_iter().any(Option::is_some);
    is_demo || args.scripted || !args.pulled().is_empty() || is_named
}

/// Replaces them, and refuses those that could not run, before a run is begun that could only fail.
pub(crate) async fn recast(workflow: &mut Workflow, args: &Args, is_demo: bool) -> Result<(), Failure> {
    let mine =
        std::env::current_exe().map_err(|error| Failure::io("find", Path::new("this program"), &error))?;
    let lanes: Vec<LaneId> = workflow.lanes.keys().cloned().collect();
    if let Some(lane) = args.pulled().iter().find(|lane| !lanes.contains(lane)) {
        let remedy = "give `serve --pull` the name of a lane that the document has";
        return Err(Failure::new("lane_unknown", format!("the document has no lane {lane}"), remedy));
    }
    for id in lanes {
        let player = player(workflow, &id, args, is_demo);
        let (Some(player), Some(lane)) = (player, workflow.lanes.get_mut(&id)) else { continue };
        let transport = args.transport.unwrap_or(match player {
            Player::Named(_) => Transport::Command,
            _ => Transport::OWN,
        });
        let adapter = transport.adapter();
        match player {
            #[cfg(feature = "acp")]
            Player::Known(known) => coding::hire(lane, known).await?,
            Player::Comes => {
                lane.env.clear();
                lane.command.clear();
                lane.adapter = PULLED.to_owned();
            }
            Player::Named(command) => {
                look_for(&command)?;
                if command.first().is_some_and(|program| Path::new(program) == mine) {
                    // Keys that the document's own agent needs are no business of the stand-in.
                    lane.env.clear();
                }
                (lane.adapter, lane.command) = (adapter.to_owned(), command);
            }
            Player::Own(part) => {
                lane.env.clear();
                lane.adapter = adapter.to_owned();
                lane.command = vec![mine.to_string_lossy().into_owned(), "agent".to_owned(), part.to_owned()];
                if adapter == "acp" {
                    lane.command.push("--acp".to_owned());
                }
            }
        }
    }
    Ok(())
}

/// Who plays this lane; nobody else than the document says if there is none. A lane reviews if every job in it does.
fn player(workflow: &Workflow, lane: &LaneId, args: &Args, is_demo: bool) -> Option<Player> {
    if args.pulled().contains(lane) {
        return Some(Player::Comes);
    }
    let reviews =
        workflow.jobs.iter().filter(|job| job.lane_id == *lane).all(|job| job.kind == JobType::Review);
    let [writes, judges] = args.hired();
    let (known, command) =
        if reviews { (judges, &args.reviewer_command) } else { (writes, &args.author_command) };
    if let Some(command) = command {
        return Some(Player::Named(command.split_whitespace().map(str::to_owned).collect()));
    }
    match known {
        #[cfg(feature = "acp")]
        Some(name) => striatum::acp::Adapter::named(name).map(Player::Known),
        _ if args.scripted => Some(Player::Own("scripted")),
        _ if is_demo => Some(Player::Own(if reviews { "reviewer" } else { "author" })),
        _ => None,
    }
}

/// Refuses a command whose program is not there.
fn look_for(command: &[String]) -> Result<(), Failure> {
    let remedy = "install it, correct its name, or give its absolute path";
    let Some(program) = command.first() else {
        return Err(Failure::new("command_missing", "the command for an agent is empty", remedy));
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = match Path::new(program) {
        // It is looked up in the work tree, which is not there yet.
        relative if program.contains('/') && relative.is_relative() => true,
        absolute if program.contains('/') => absolute.is_file(),
        name => std::env::split_paths(&path).any(|folder| folder.join(name).is_file()),
    };
    match is_there {
        true => Ok(()),
        false => Err(Failure::new("command_missing", format!("there is no program {program}"), remedy)),
    }
}
