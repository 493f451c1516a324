//! Coding agents: what they lack, and how they are worked with.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use striatum::{
    Builder,
    acp::{Adapter, Decision, PermissionPolicy, Surroundings, preflight},
    adapter::{AcpAdapter, EgressGateway, Gateway, ProcessAdapter},
    core::{
        sandbox::{Level, Sandbox},
        workflow::Lane,
    },
    server::agents::Endpoint,
};

use crate::{args::Args, cast::PULLED, failure::Failure, model, work::say};

/// Adapters for coding agents. Behind walls they reach their model through a broker, and the credential stays here. Where no wall
/// holds an agent to its tree, whoever named it here lets it work there as if it were run by hand, and what leads out of the tree,
/// and is asked for, is rejected. A service works on whatever document a token's holder prepares, so there a person is asked.
pub(crate) fn equip(
    builder: Builder,
    args: &Args,
    sandbox: &dyn Sandbox,
    egress: Option<&EgressGateway>,
) -> Result<Builder, Failure> {
    let gateways = egress.cloned().map(|gateway| Arc::new(gateway) as Arc<dyn Gateway>);
    let gateways = gateways.as_slice();
    let is_walled = sandbox.offers().file_system == Level::Enforced;
    let free = PermissionPolicy::uniform(Decision::AllowOnce).beyond(Decision::Reject);
    // This program once more, for agents that reach tools only as programs that they start.
    let mine =
        std::env::current_exe().map_err(|error| Failure::io("find", Path::new("this program"), &error))?;
    let equipped = |adapter: AcpAdapter| {
        let adapter = adapter.bridge([mine.as_os_str(), "bridge".as_ref()]);
        let adapter = gateways.iter().cloned().fold(adapter, AcpAdapter::gateway);
        if is_walled || args.is_service() { adapter } else { adapter.policy(free.clone()) }
    };
    let process = gateways.iter().cloned().fold(ProcessAdapter::default(), ProcessAdapter::gateway);
    let builder = builder.adapter("process", Arc::new(process));
    let builder = if args.pulled().is_empty() { builder } else { builder.pulled(PULLED) };
    let builder = builder.adapter("acp", Arc::new(equipped(AcpAdapter::default())));
    Adapter::ALL.iter().copied().try_fold(builder, |builder, known| {
        let mut adapter = equipped(AcpAdapter::of(known));
        if is_walled && let Some((gateway, variable)) = model::broker(known)? {
            if args.runs_agents() && args.hired().contains(&Some(known.name)) {
                say!("model: {} asks it through a broker, and gets a placeholder for {variable}", known.name);
            }
            adapter = adapter.gateway(Arc::new(gateway));
        }
        Ok(builder.adapter(format!("acp:{}", known.name), Arc::new(adapter)))
    })
}

/// Gives a lane to a coding agent, with what it finds in this person's environment.
pub(crate) async fn hire(lane: &mut Lane, known: &'static Adapter) -> Result<(), Failure> {
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

/// Carries tools between an agent that starts this program for them and their server, whose address it finds in its environment.
pub(crate) fn bridge() -> ExitCode {
    let carry = async {
        let unset = || io::Error::other(format!("{} are not set", Endpoint::VARIABLES.join(" and ")));
        let endpoint = Endpoint::of_environment().ok_or_else(unset)?;
        striatum::server::bridge(&endpoint, tokio::io::stdin(), tokio::io::stdout()).await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(carry)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => Failure::new("bridge_failed", error.to_string(), "start it as an agent does").explain(),
    }
}
