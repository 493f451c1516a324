//! A client of tools over HTTP, as agents and operators have one.

use std::{io, sync::Arc};

use reqwest::{Client, redirect::Policy};
use rmcp::transport::{
    StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// The way to the tools at this address, with this bearer token. It trusts nobody, so it reaches them without TLS alone.
///
/// A client that `rmcp` makes by itself panics as soon as any crate of the program has TLS in `reqwest` switched on and nobody has
/// installed a provider of it for the whole process. This one names its own.
///
/// # Errors
/// If no client can be made.
pub fn transport(url: &str, bearer: &str) -> io::Result<StreamableHttpClientTransport<Client>> {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    // A connection that is used again after an answer that was not read to its end stalls for 40 ms.
    let client = Client::builder().tls_backend_preconfigured(tls).pool_max_idle_per_host(0);
    let client = client.redirect(Policy::none()).build().map_err(io::Error::other)?;
    let mut config = StreamableHttpClientTransportConfig::with_uri(url);
    config.auth_header = Some(bearer.to_owned());
    Ok(StreamableHttpClientTransport::with_client(client, config))
}
