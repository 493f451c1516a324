//! What clients try, and what becomes of it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use striatum_sandbox::egress::Refusal;

use super::client::Step::{self, Head, Send, Tls};

mod message;
mod way;

/// An attempt. What it is after is to get `marker` to a host.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) steps: Vec<Step>,
    pub(super) marker: Vec<u8>,
    pub(super) becomes: Becomes,
    /// Whether it is about a client that is too slow.
    pub(super) is_slow: bool,
    /// Whether it is broken off when the marker has arrived.
    pub(super) is_late: bool,
}

/// What becomes of an attempt.
pub(super) enum Becomes {
    /// The marker arrives, and this does not.
    Passed(&'static str),
    /// The marker arrives, and this does not, whether it is refused or never read.
    Harmless(&'static str),
    /// It does not arrive, for this reason.
    Refused(Refusal),
}

const MARK: &str = "x-mark: made-it";

fn case(name: &'static str, steps: Vec<Step>, becomes: Becomes) -> Case {
    Case { name, steps, marker: b"made-it".to_vec(), becomes, is_slow: false, is_late: false }
}

fn refused(name: &'static str, refusal: Refusal, steps: Vec<Step>) -> Case {
    case(name, steps, Becomes::Refused(refusal))
}

fn passed(name: &'static str, steps: Vec<Step>) -> Case {
    case(name, steps, Becomes::Passed("\u{0}never\u{0}"))
}

impl Case {
    fn marked(self, marker: impl Into<Vec<u8>>) -> Self {
        Self { marker: marker.into(), ..self }
    }

    fn without(self, text: &'static str) -> Self {
        Self { becomes: Becomes::Passed(text), ..self }
    }

    fn slow(self) -> Self {
        Self { is_slow: true, ..self }
    }

    fn late(self) -> Self {
        Self { is_late: true, ..self }
    }
}

fn send(text: impl AsRef<str>) -> Step {
    Send(text.as_ref().as_bytes().to_vec())
}

/// A head of these lines.
fn lines(lines: &[&str]) -> Step {
    send(format!("{}\r\n\r\n", lines.join("\r\n")))
}

pub(super) fn connect(authority: &str) -> Vec<Step> {
    vec![send(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")), Head]
}

/// A request within TLS to a host that is named in all places.
pub(super) fn within(host: &'static str, request: Vec<Step>) -> Vec<Step> {
    named(host, Some(host), request)
}

fn named(host: &str, server_name: Option<&'static str>, request: Vec<Step>) -> Vec<Step> {
    let mut steps = connect(&format!("{host}:{{tls}}"));
    steps.push(Tls(server_name, &[]));
    steps.extend(request);
    steps
}

/// A request for a path, with these headers beside the usual ones.
pub(super) fn get(host: &str, path: &str, headers: &[&str]) -> Vec<Step> {
    request("GET", host, path, headers, "")
}

fn request(method: &str, host: &str, path: &str, headers: &[&str], body: &str) -> Vec<Step> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    vec![send(format!("{method} {path} HTTP/1.1\r\nHost: {host}:{{tls}}\r\n{MARK}\r\n{headers}\r\n{body}"))]
}

fn inspected(path: &str, headers: &[&str]) -> Vec<Step> {
    within("inspected.test", get("inspected.test", path, headers))
}

fn posted(host: &'static str, path: &str, headers: &[&str], body: &str) -> Vec<Step> {
    within(host, request("POST", host, path, headers, body))
}

/// A plain request, as proxies are sent it.
fn plain(head: &[&str]) -> Vec<Step> {
    vec![lines(&[head, &[MARK]].concat())]
}

pub(super) fn all(placeholder: &str, secret: &str) -> Vec<Case> {
    let mut all = way::destinations();
    all.extend(way::addresses());
    all.extend(way::tunnels());
    all.extend(way::hosts());
    all.extend(message::paths());
    all.extend(message::framing());
    all.extend(message::limits());
    all.extend(way::plain_http());
    all.extend(message::placeholders(placeholder, secret));
    all
}

/// A user and a password, as a header has them.
pub(super) fn basic(user: &str, password: &str) -> String {
    STANDARD.encode(format!("{user}:{password}"))
}
