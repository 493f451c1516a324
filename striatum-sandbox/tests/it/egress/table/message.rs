//! Attempts on what requests say.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use striatum_sandbox::egress::Refusal::*;

use super::{
    super::client::Step::{self, Head},
    Becomes, Case, MARK, basic, get, inspected, lines, passed, plain, posted, refused, request, send, within,
};

/// Where a host does not answer: one that answers a head does not wait for what is wrong with the body.
const UNANSWERED: &str = "/open/mute";

pub(super) fn paths() -> Vec<Case> {
    let closed = |name, path: &str| refused(name, PathNotAllowed, inspected(path, &[]));
    let crooked = |name, path: &str| refused(name, PathAmbiguous, inspected(path, &[]));
    let method = |method| within("inspected.test", request(method, "inspected.test", "/open", &[], ""));
    vec![
        closed("a path that is not allowed", "/closed"),
        closed("a path that begins like one that is allowed", "/opened"),
        closed("a path with a doubled slash", "//open"),
        closed("a path in other letters", "/OPEN"),
        closed("an encoded slash instead of one", "/open%2fx"),
        crooked("a path that leads up", "/open/../closed"),
        crooked("a path that leads up in encoded dots", "/open/%2e%2e/closed"),
        crooked("a path that leads up behind encoded slashes", "/open/..%2fclosed"),
        crooked("a path that is encoded twice", "/open/%252e%252e/closed"),
        crooked("a path with parameters in the way up", "/open/..;x/closed"),
        crooked("a path that is cut off by a zero", "/open/%00"),
        refused(
            "all of the host instead of a path",
            Malformed,
            within("inspected.test", get("inspected.test", "*", &[])),
        ),
        refused("a method that is not allowed", MethodNotAllowed, method("DELETE")),
        refused("a method that nobody knows", MethodNotAllowed, method("GETT")),
        passed("a path below one that is allowed", inspected("/open/%e4/x?q=/../", &[])),
    ]
}

/// The same, until a second answer has come or the connection has ended.
fn twice(mut steps: Vec<Step>) -> Vec<Step> {
    steps.extend([Head, Head]);
    steps
}

pub(super) fn framing() -> Vec<Case> {
    let posted = |headers: &[&str], body: &str| posted("inspected.test", "/open", headers, body);
    let refused = |name, refusal, headers: &[&str], body: &str| {
        refused(name, refusal, super::posted("inspected.test", UNANSWERED, headers, body))
    };
    let smuggled = "0\r\n\r\nGET /closed HTTP/1.1\r\nHost: inspected.test:{tls}\r\n\r\n";
    let harmless = |name, headers: &[&str]| {
        let harmless = Becomes::Harmless("GET /closed");
        Case { becomes: harmless, ..passed(name, twice(posted(headers, smuggled))) }
    };
    let chunked = "Transfer-Encoding: chunked";
    vec![
        passed(
            "a length and chunks arrive as chunks",
            posted(&["Content-Length: 5", chunked], "1\r\na\r\n0\r\n\r\n"),
        )
        .without("ontent-"),
        passed(
            "chunks and a length arrive as chunks",
            posted(&[chunked, "Content-Length: 5"], "1\r\na\r\n0\r\n\r\n"),
        )
        .without("ontent-"),
        passed("extensions of chunks stay here", posted(&[chunked], "1;x=hidden\r\na\r\n0\r\n\r\n"))
            .without("hidden"),
        passed("trailers stay here", posted(&[chunked], "1\r\na\r\n0\r\nx-trailer: 1\r\n\r\n"))
            .without("x-trailer"),
        harmless("a request behind the end of chunks", &[chunked]),
        harmless("a request behind chunks that have a length", &["Content-Length: 60", chunked]),
        refused("two lengths", Malformed, &["Content-Length: 1", "Content-Length: 2"], "ab"),
        refused("two lengths in one", Malformed, &["Content-Length: 1, 2"], "ab"),
        refused("a length with a sign", Malformed, &["Content-Length: +1"], "a"),
        refused("a length in hexadecimal digits", Malformed, &["Content-Length: 0x1"], "a"),
        refused("a space before a colon", Malformed, &["Content-Length : 1"], "a"),
        refused(
            "a header that goes on in the next line",
            Malformed,
            &["X-Folded: a", " Content-Length: 1"],
            "a",
        ),
        refused("a zero in a header", Malformed, &["X-Zero: a\0b"], ""),
        refused(
            "a coding that is not quite chunked",
            Malformed,
            &["Transfer-Encoding: xchunked"],
            "1\r\na\r\n0\r\n\r\n",
        ),
        refused(
            "chunks that are not the last coding",
            Malformed,
            &["Transfer-Encoding: chunked, identity"],
            "1\r\na\r\n0\r\n\r\n",
        ),
        refused(
            "a coding beside chunks",
            FramingRefused,
            &["Transfer-Encoding: gzip, chunked"],
            "1\r\na\r\n0\r\n\r\n",
        ),
        refused("chunks twice", FramingRefused, &[chunked, chunked], "1\r\na\r\n0\r\n\r\n"),
        refused("a chunk of a length that is none", Malformed, &[chunked], "0x1\r\na\r\n0\r\n\r\n")
            .marked("0x1"),
        refused("a chunk longer than any", Malformed, &[chunked], "fffffffffffffffff\r\na\r\n")
            .marked("ffffffff"),
        refused("a chunk without its end", Malformed, &[chunked], "1\r\naGET /closed HTTP/1.1\r\n\r\n")
            .marked("GET /closed"),
        refused("chunks in an older HTTP", Malformed, &[], "").over_http_1_0(),
    ]
}

impl Case {
    fn over_http_1_0(self) -> Self {
        let head = ["POST /open HTTP/1.0", "Host: inspected.test:{tls}", "Transfer-Encoding: chunked", MARK];
        Self { steps: within("inspected.test", vec![lines(&head), send("1\r\na\r\n0\r\n\r\n")]), ..self }
    }
}

pub(super) fn limits() -> Vec<Case> {
    let posted = |headers: &[&str], body: &str| posted("inspected.test", UNANSWERED, headers, body);
    let long = "a".repeat(9000);
    let much = format!("{}made-it-late", "a".repeat(40 << 10));
    let many: Vec<String> = (0..150).map(|number| format!("X-{number}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    vec![
        refused("a header that is too large", HeadTooLarge, inspected("/open", &[&format!("X-Large: {long}")])),
        refused("a target that is too long", HeadTooLarge, inspected(&format!("/open/{long}"), &[])),
        refused("too many headers", HeadTooLarge, inspected("/open", &many)),
        refused("a body that says it is too large", TooLarge, posted(&[&format!("Content-Length: {}", much.len())], &much)),
        refused("a body that turns out to be too large", TooLarge, posted(
            &["Transfer-Encoding: chunked"],
            &format!("{:x}\r\n{much}\r\n0\r\n\r\n", much.len()),
        ))
        .marked("made-it-late"),
        refused("more than may go up through a tunnel", TooLarge, within("spliced.test", posted_raw(&much)))
            .marked("made-it-late"),
        refused("a head that never ends", TooSlow, within("inspected.test", vec![send(
            "GET /open HTTP/1.1\r\nHost: inspected.test:{tls}\r\nx-mark: made-it\r\n",
        )]))
        .slow(),
        refused("a body that never ends", TooSlow, posted(&["Content-Length: 20"], "made-it-"))
            .slow()
            .late(),
        refused("a request to the proxy that never ends", TooSlow, vec![send(
            "GET http://plain.test:{plain}/open HTTP/1.1\r\nHost: plain.test:{plain}\r\nx-mark: made-it\r\n",
        )])
        .slow(),
    ]
}

fn posted_raw(body: &str) -> Vec<Step> {
    request("POST", "spliced.test", "/", &[&format!("Content-Length: {}", body.len())], body)
}

pub(super) fn placeholders(placeholder: &str, secret: &str) -> Vec<Case> {
    let to = |host: &'static str, path: &str, header: &str| within(host, get(host, path, &[header]));
    let bearer = format!("Authorization: Bearer {placeholder}");
    let with_basic = format!("Authorization: Basic {}", basic("user", placeholder));
    let percent: String = placeholder.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let (begin, end) = placeholder.split_at(20);
    let chunks = format!("14\r\n{begin}\r\n{:x}\r\n{end}\r\n0\r\n\r\n", end.len());
    let length = |body: &str| format!("Content-Length: {}", body.len());
    let post = |host, body: &str| posted(host, "/mute", &[&length(body)], body);
    let swapped =
        |name, header: &str, arrives: String| passed(name, to("secret.test", "/", header)).marked(arrives);
    let misplaced = |name, steps| refused(name, PlaceholderMisplaced, steps).marked(placeholder);
    let part = &STANDARD.encode(placeholder)[..40];
    vec![
        swapped("a placeholder as a bearer's token", &bearer, format!("Bearer {secret}"))
            .without("striatum-placeholder"),
        swapped("a placeholder as a password", &with_basic, format!("Basic {}", basic("user", secret))),
        swapped(
            "a placeholder as a user",
            &format!("Authorization: Basic {}", basic(placeholder, "")),
            basic(secret, ""),
        ),
        swapped("a placeholder as a key", &format!("X-Api-Key: {placeholder}"), secret.to_owned()),
        passed("a placeholder where one of two rules has it", to("partial.test", "/with", &bearer))
            .marked(secret),
        misplaced("a placeholder where the other of two rules is", to("partial.test", "/without", &bearer)),
        misplaced("a placeholder for another host", to("other.test", "/", &bearer)),
        misplaced("a placeholder as a password for another host", to("other.test", "/", &with_basic))
            .marked(basic("user", placeholder)),
        misplaced(
            "a placeholder for another host without TLS",
            plain(&["GET http://plain.test:{plain}/open HTTP/1.1", "Host: plain.test:{plain}", &bearer]),
        ),
        misplaced(
            "a placeholder in a path",
            within("secret.test", get("secret.test", &format!("/{placeholder}"), &[])),
        ),
        misplaced(
            "a placeholder in a query",
            within("secret.test", get("secret.test", &format!("/?k={placeholder}"), &[])),
        ),
        misplaced(
            "an encoded placeholder in a query",
            within("secret.test", get("secret.test", &format!("/?k={percent}"), &[])),
        )
        .marked(percent.clone()),
        misplaced(
            "a placeholder in another header",
            to("secret.test", "/", &format!("X-Note: {placeholder}")),
        ),
        misplaced(
            "a placeholder in a cookie",
            to("secret.test", "/", &format!("Cookie: session={placeholder}")),
        ),
        misplaced(
            "a placeholder in the name of a header",
            to("secret.test", "/", &format!("{placeholder}: 1")),
        ),
        misplaced(
            "a placeholder within a longer token",
            to("secret.test", "/", &format!("Authorization: Bearer x{placeholder}")),
        ),
        misplaced(
            "a placeholder within a longer password",
            to(
                "secret.test",
                "/",
                &format!("Authorization: Basic {}", basic("user", &format!("{placeholder}x")),),
            ),
        )
        .marked(basic("user", &format!("{placeholder}x"))),
        misplaced("a placeholder in a body", post("secret.test", &format!("key={placeholder}"))),
        misplaced(
            "a placeholder in a body for another host",
            post("other.test", &format!("key={placeholder}")),
        ),
        misplaced("an encoded placeholder in a body", post("secret.test", &format!("key={percent}")))
            .marked(percent),
        misplaced("a placeholder in the base64 of a body", post("other.test", &STANDARD.encode(placeholder)))
            .marked(part),
        misplaced(
            "a placeholder that chunks cut in two",
            posted("secret.test", "/mute", &["Transfer-Encoding: chunked"], &chunks),
        )
        .marked(end),
    ]
}
