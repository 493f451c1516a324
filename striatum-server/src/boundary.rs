//! What a request must look like before anybody asks who sent it.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{Refusal, refusal::Code};

/// Which requests are looked at: only those for a host that is ours, and from no page of somebody else's.
///
/// A page that a person has open can send requests to this machine, and by a name of its own that it lets point here. Neither gets
/// past the names that are listed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Boundary {
    /// The hosts by whose name we may be called, without a port.
    pub hosts: Vec<String>,
    /// The origins whose pages may call, with their scheme, and their port where it is not that scheme's own.
    pub origins: Vec<String>,
    /// No body is longer, in bytes.
    pub max_body_bytes: usize,
}

impl Default for Boundary {
    /// This machine by its loopback names, no pages, 4 MiB.
    fn default() -> Self {
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(str::to_owned).to_vec();
        Self { hosts, origins: Vec::new(), max_body_bytes: 4 << 20 }
    }
}

impl Boundary {
    /// Refuses a request that is not for us, or is from a page that we do not know.
    ///
    /// # Errors
    /// The [`Refusal`], with code `host_unknown` or `origin_unknown`.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let unknown_host = || Code::HostUnknown.because("the request is for a host that is not served here");
        let host = only(headers, &header::HOST).map_err(|()| unknown_host())?;
        let target = uri.authority().map(axum::http::uri::Authority::as_str);
        let named = [host, target];
        if named.iter().all(Option::is_none) || !named.iter().flatten().all(|host| self.serves(host)) {
            return Err(unknown_host());
        }
        match only(headers, &header::ORIGIN) {
            Ok(None) => Ok(()),
            Ok(Some(origin)) if self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin)) => Ok(()),
            _ => Err(Code::OriginUnknown.because("pages of this origin may not call here")),
        }
    }

    fn serves(&self, authority: &str) -> bool {
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => {
                host
            }
            _ => authority,
        };
        self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }
}

/// The one value of a header; several are as bad as one that is no text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().map_err(drop)).transpose()?;
    if values.next().is_some() { Err(()) } else { Ok(value) }
}

/// Lets through what the boundary allows.
pub(crate) async fn enforce(State(boundary): State<Boundary>, request: Request, next: Next) -> Response {
    match boundary.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => respond(StatusCode::FORBIDDEN, &refusal),
    }
}

/// A refusal as an answer over HTTP.
pub(crate) fn respond(status: StatusCode, refusal: &Refusal) -> Response {
    let mut response = (status, axum::Json(refusal.to_json())).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let challenge = axum::http::HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn only_our_hosts_and_no_strange_pages_get_past() {
        let boundary = Boundary { origins: vec!["https://ours.example".to_owned()], ..Boundary::default() };
        let check = |pairs| boundary.check(&Uri::from_static("/mcp"), &headers(pairs)).map_err(|r| r.code);
        for good in [
            &[("host", "127.0.0.1:4711")][..],
            &[("host", "LOCALHOST")],
            &[("host", "[::1]:80")],
            &[("host", "localhost"), ("origin", "https://ours.example")],
        ] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
        for (code, bad) in [
            ("host_unknown", &[][..]),
            ("host_unknown", &[("host", "evil.example:4711")]),
            ("host_unknown", &[("host", "127.0.0.1.evil.example")]),
            ("host_unknown", &[("host", "evil.example"), ("host", "127.0.0.1")]),
            ("host_unknown", &[("host", "localhost:80@evil.example")]),
            ("origin_unknown", &[("host", "localhost"), ("origin", "null")]),
            ("origin_unknown", &[("host", "localhost"), ("origin", "http://localhost")]),
            ("origin_unknown", &[("host", "localhost"), ("origin", "https://ours.example.evil")]),
        ] {
            assert_eq!(check(bad), Err(code.into()), "{bad:?}");
        }
    }

    #[test]
    fn a_target_that_names_a_host_is_judged_too() {
        let uri = Uri::from_static("http://evil.example/mcp");
        assert!(Boundary::default().check(&uri, &headers(&[("host", "localhost")])).is_err());
    }
}
