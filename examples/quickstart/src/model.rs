//! The way of agents behind walls to their model.

use striatum::{
    acp::Adapter,
    adapter::ModelGateway,
    sandbox::{
        broker::{Broker, Provider},
        credential::{Credential, CredentialSource},
        upstream::Upstream,
    },
};

use crate::failure::Failure;

/// A broker for an agent whose credential is in this program's environment, and the variable that it is in. The host is the one that
/// the person gave the agent, or else its provider's.
pub(crate) fn broker(known: &'static Adapter) -> Result<Option<(ModelGateway, &'static str)>, Failure> {
    let Some(endpoint) = known.endpoint else { return Ok(None) };
    let Some(provider) = Provider::named(endpoint.provider) else { return Ok(None) };
    let is_set = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let Some(variable) = known.credentials.iter().find(is_set) else { return Ok(None) };
    let mut broker = Broker::of(provider, Credential::new(CredentialSource::Env((*variable).to_owned())));
    let given = endpoint.url.and_then(std::env::var_os).filter(|url| !url.is_empty());
    let given = given.map(|url| url.to_string_lossy().into_owned());
    // A credential goes to the host that it is for, and nowhere else.
    let Some(url) = given.or(endpoint.host.map(str::to_owned)) else { return Ok(None) };
    if url != provider.url() {
        // What agents ask for begins with the version.
        let base = url.trim_end_matches('/').trim_end_matches("/v1");
        broker = broker.upstream(Upstream::at(base, None).map_err(unreachable)?).models(["*"]);
    }
    let broker = broker.build().map_err(unreachable)?;
    Ok(ModelGateway::of(known, broker, *variable).map(|gateway| (gateway, *variable)))
}

fn unreachable(error: striatum::sandbox::upstream::UpstreamError) -> Failure {
    Failure::new(error.kind.code(), error.to_string(), error.remedy)
}
