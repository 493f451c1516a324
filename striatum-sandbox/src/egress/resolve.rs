//! Names to addresses.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
};

use async_trait::async_trait;
use tokio::net::lookup_host;

use super::{
    host::{Authority, Host},
    refusal::Refusal,
    rules::Door,
};

/// Turns names into addresses. An implementation answers for itself; what the addresses may be is decided after it.
#[async_trait]
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// The addresses of a name. The caller bounds the time.
    ///
    /// # Errors
    /// [`io::Error`] if the name has none, or this cannot be learned.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the host, with its `hosts` file.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// The addresses of a host, every one of which its rules admit. A name that leads to one that they do not is refused as a whole:
/// nobody mixes them in good faith.
pub(super) async fn addresses(
    resolver: &dyn Resolve,
    door: &Door,
    authority: &Authority,
) -> Result<Vec<SocketAddr>, Refusal> {
    let addresses = match &authority.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => resolver.resolve(name).await.map_err(|_| Refusal::NameUnknown)?,
    };
    if addresses.is_empty() {
        return Err(Refusal::NameUnknown);
    }
    if !addresses.iter().all(|address| door.admits(*address)) {
        return Err(Refusal::AddressNotAllowed);
    }
    Ok(addresses.into_iter().map(|address| SocketAddr::new(address, authority.port)).collect())
}
