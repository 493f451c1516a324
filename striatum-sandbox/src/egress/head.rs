//! The heads of requests and answers.

use hyper::{
    HeaderMap, Method, Request, Uri,
    header::{ACCEPT_ENCODING, CONNECTION, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE},
};

use super::{host::Authority, refusal::Refusal, rule::Scheme};

/// What concerns one connection and not the message (RFC 9110, 7.6.1), and what is said to a proxy alone.
const OF_THE_CONNECTION: [&str; 9] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
];

/// By these some servers take a request for one with another method, path or host.
const OVERRIDES: [&str; 12] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-original-host",
    "x-host",
    "x-http-host-override",
    "x-forwarded-host",
    "x-forwarded-server",
    "x-forwarded-prefix",
    "forwarded",
];

/// That a request names the host that its connection is for, once and in plain form.
pub(super) fn agrees<B>(
    request: &Request<B>,
    authority: &Authority,
    default_port: u16,
) -> Result<(), Refusal> {
    let is_same = |text: &str| Authority::parse(text, default_port).is_ok_and(|named| named == *authority);
    let mut hosts = request.headers().get_all(HOST).iter();
    let is_named = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(is_same),
        // Older clients leave it out of CONNECT, whose target says it all.
        (None, None) => request.method() == Method::CONNECT,
        _ => false,
    };
    let in_target = request.uri().authority().is_none_or(|target| is_same(target.as_str()));
    if in_target && is_named { Ok(()) } else { Err(Refusal::HostDisagrees) }
}

/// That a request is what it seems to be to whoever reads it.
pub(super) fn is_plain<B>(request: &Request<B>) -> Result<(), Refusal> {
    let headers = request.headers();
    let named = |names: &[&str]| names.iter().any(|name| headers.contains_key(*name));
    if headers.contains_key(UPGRADE) || named(&["http2-settings"]) {
        return Err(Refusal::UpgradeRefused);
    }
    if named(&OVERRIDES) {
        return Err(Refusal::OverrideRefused);
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    let is_framed_once = codings.next().is_none_or(|coding| is_chunked(coding) && codings.next().is_none());
    if is_framed_once { Ok(()) } else { Err(Refusal::FramingRefused) }
}

/// Takes away what concerns the connection that the message came by.
pub(super) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
}

/// Names the host as it is known here, and asks for an answer that can be read if a secret might be in it.
pub(super) fn readdress(headers: &mut HeaderMap, scheme: Scheme, authority: &Authority, is_searched: bool) {
    let host = match authority.port {
        port if port == scheme.port() => authority.host.to_string(),
        port => format!("{}:{port}", authority.host),
    };
    if let Ok(host) = HeaderValue::from_str(&host) {
        headers.insert(HOST, host);
    }
    if is_searched {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
}

/// The path and query, as a server is asked for it.
pub(super) fn target(uri: &Uri) -> Result<Uri, Refusal> {
    let target = uri.path_and_query().filter(|target| target.as_str().starts_with('/'));
    let target = target.map(|target| Uri::from(target.clone()));
    target.or_else(|| (uri.path() == "/").then(|| Uri::from_static("/"))).ok_or(Refusal::Malformed)
}
