//! What agents may reach of the world.

use std::fs;

use striatum::{
    adapter::EgressGateway,
    core::workflow::Workflow,
    sandbox::egress::{EgressError, Rule},
};

use crate::{args::Args, failure::Failure, work::say};

/// The way to the hosts that the command line names; none if it names none. Whatever is wrong with the rules is told before an agent is
/// started.
pub(crate) async fn gateway(args: &Args) -> Result<Option<EgressGateway>, Failure> {
    if args.allow.is_empty() && args.egress.is_none() {
        return Ok(None);
    }
    let mut gateway = match &args.egress {
        None => EgressGateway::default(),
        Some(file) => {
            let text =
                fs::read_to_string(file).map_err(|error| Failure::io("read the rules in", file, &error))?;
            EgressGateway::parse(&text)?
        }
    };
    for rule in &args.allow {
        gateway = gateway.allow(rule.parse::<Rule>()?);
    }
    gateway.check().await?;
    if args.runs_agents() {
        say!("network: {gateway}");
    }
    Ok(Some(gateway))
}

/// Refuses rules for a lane that a workflow does not have.
pub(crate) fn lanes_are_known(
    egress: Option<&EgressGateway>,
    workflow: &Workflow,
) -> Result<(), EgressError> {
    egress.map_or(Ok(()), |gateway| gateway.check_lanes(workflow))
}
