//! Who plays which lane: the agents that the command line puts in place of the document's own.

use std::path::{Path, PathBuf};

use striatum::{
    acp::{Adapter, Surroundings, preflight},
    core::{
        id::LaneId,
        workflow::{JobType, Lane, Workflow},
    },
};

use crate::{
    args::{Args, Transport},
    failure::Failure,
    work::say,
};

/// What takes the place of a lane's agent.
enum Player {
    /// A coding agent that is known.
    Known(&'static Adapter),
    /// A program that the person names.
    Named(Vec<String>),
    /// This program, in one of its parts.
    Own(&'static str),
}

/// Whether the document's own agents are to be replaced.
pub(crate) fn is_wanted(args: &Args, is_demo: bool) -> bool {
    let named = [&args.agent, &args.reviewer, &args.author_command, &args.reviewer_command];
    is_demo || args.scripted || named.into_iter().any(Option::is_some)
}

/// Replaces them, and refuses those that could not run, before a run is begun that could only fail.
pub(crate) async fn recast(workflow: &mut Workflow, args: &Args, is_demo: bool) -> Result<(), Failure> {
    let mine =
        std::env::current_exe().map_err(|error| Failure::io("find", Path::new("this program"), &error))?;
    let lanes: Vec<LaneId> = workflow.lanes.keys().cloned().collect();
    for id in lanes {
        let player = player(workflow, &id, args, is_demo);
        let (Some(player), Some(lane)) = (player, workflow.lanes.get_mut(&id)) else { continue };
        let transport = args.transport.unwrap_or(match player {
            Player::Named(_) => Transport::Command,
            Player::Known(_) | Player::Own(_) => Transport::Acp,
        });
        let adapter = if transport == Transport::Acp { "acp" } else { "process" };
        match player {
            Player::Known(known) => hire(lane, known).await?,
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
                if transport == Transport::Acp {
                    lane.command.push("--acp".to_owned());
                }
            }
        }
    }
    Ok(())
}

/// Who plays this lane; nobody else than the document says if there is none. A lane reviews if every job in it does.
fn player(workflow: &Workflow, lane: &LaneId, args: &Args, is_demo: bool) -> Option<Player> {
    let reviews =
        workflow.jobs.iter().filter(|job| job.lane_id == *lane).all(|job| job.kind == JobType::Review);
    let (known, command) = match reviews {
        true => (args.reviewer.as_ref().or(args.agent.as_ref()), &args.reviewer_command),
        false => (args.agent.as_ref(), &args.author_command),
    };
    if let Some(command) = command {
        return Some(Player::Named(command.split_whitespace().map(str::to_owned).collect()));
    }
    match known.and_then(|name| Adapter::named(name)) {
        Some(known) => Some(Player::Known(known)),
        None if args.scripted => Some(Player::Own("scripted")),
        None if is_demo => Some(Player::Own(if reviews { "reviewer" } else { "author" })),
        None => None,
    }
}

/// Gives a lane to a coding agent, with what it finds in this person's environment.
async fn hire(lane: &mut Lane, known: &'static Adapter) -> Result<(), Failure> {
    lane.adapter = format!("acp:{}", known.name);
    lane.command.clear();
    lane.display_model = None;
    for name in known.credentials.iter().chain(known.settings) {
        if std::env::var_os(name).is_some() {
            lane.env.entry((*name).to_owned()).or_insert(None);
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut missing =
        preflight(known, &Surroundings { path, variables: lane.env.keys().cloned().collect() }).await;
    // This program brings one.
    missing.retain(|missing| !missing.is_bridge());
    if let Some((variable, folder)) =
        known.home.and_then(|(variable, folder)| Some((variable, home(folder)?)))
        && !lane.env.contains_key(variable)
        && missing.iter().any(striatum::acp::Missing::is_credentials)
    {
        // It keeps a login of its own there.
        say!("{} works with the login in {}", known.name, folder.display());
        lane.env.insert(variable.to_owned(), Some(folder.to_string_lossy().into_owned()));
        missing.retain(|missing| !missing.is_credentials());
    }
    if missing.is_empty() {
        return Ok(());
    }
    let all: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let remedy = "mend each of these, or choose another agent";
    Err(Failure::new(
        "agent_missing",
        format!("acp:{} cannot run here: {}", known.name, all.join("; ")),
        remedy,
    ))
}

/// A folder of the person's, if it is there.
fn home(folder: &str) -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os("HOME")?).join(folder)).filter(|folder| folder.is_dir())
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
