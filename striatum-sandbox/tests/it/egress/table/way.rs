//! Attempts on where requests go, and over what.

use striatum_sandbox::egress::Refusal::*;

use super::{
    super::client::Step::{Again, Head, Send, Tls},
    Case, MARK, connect, get, inspected, lines, named, passed, plain, refused, send, within,
};

pub(super) fn destinations() -> Vec<Case> {
    let to = |authority: &str| {
        let mut steps = connect(authority);
        steps.push(Tls(Some("spliced.test"), &[]));
        steps.extend(get("spliced.test", "/", &[]));
        steps
    };
    vec![
        passed("a host that is allowed", to("spliced.test:{tls}")),
        passed("a host in capitals", to("SPLICED.test:{tls}")),
        passed(
            "a host below one that is allowed",
            within("below.wild.test", get("below.wild.test", "/", &[])),
        ),
        refused("a host that nobody allowed", DestinationNotAllowed, to("evil.test:{tls}")),
        refused("another port of a host that is allowed", DestinationNotAllowed, {
            let mut steps = connect("spliced.test:{plain}");
            steps.extend(get("spliced.test", "/", &[]));
            steps
        }),
        refused(
            "a host below one that is allowed alone",
            DestinationNotAllowed,
            to("sub.spliced.test:{tls}"),
        ),
        refused("the host above those that are allowed", DestinationNotAllowed, to("wild.test:{tls}")),
        refused(
            "a host whose name ends like one that is allowed",
            DestinationNotAllowed,
            to("evilwild.test:{tls}"),
        ),
        refused(
            "a host that begins like one that is allowed",
            DestinationNotAllowed,
            to("spliced.test.evil.test:{tls}"),
        ),
        refused("an address instead of a name", DestinationNotAllowed, to("127.0.0.1:{tls}")),
        refused("an address of IPv6", DestinationNotAllowed, to("[::1]:{tls}")),
        refused("a mapped address", DestinationNotAllowed, to("[::ffff:127.0.0.1]:{tls}")),
        refused("an address as one number", Malformed, to("2130706433:{tls}")),
        refused("an address in hexadecimal digits", Malformed, to("0x7f000001:{tls}")),
        refused("an address with parts left out", Malformed, to("127.1:{tls}")),
        refused("a name with a final dot", Malformed, to("spliced.test.:{tls}")),
        refused("a user before the host", Malformed, to("spliced.test@evil.test:{tls}")),
        refused("a Host beside CONNECT that is another", HostDisagrees, {
            let mut steps =
                vec![send("CONNECT spliced.test:{tls} HTTP/1.1\r\nHost: evil.test:{tls}\r\n\r\n"), Head];
            steps.push(Tls(Some("spliced.test"), &[]));
            steps.extend(get("spliced.test", "/", &[]));
            steps
        }),
        passed("a CONNECT of an older client", {
            let mut steps = vec![send("CONNECT spliced.test:{tls} HTTP/1.0\r\n\r\n"), Head];
            steps.push(Tls(Some("spliced.test"), &[]));
            steps.extend(get("spliced.test", "/", &[]));
            steps
        }),
        refused("where a redirect leads", DestinationNotAllowed, {
            let mut steps = within(
                "inspected.test",
                vec![lines(&["GET /open/redirect HTTP/1.1", "Host: inspected.test:{tls}"])],
            );
            steps.push(Again);
            steps.extend(to("169.254.169.254:{tls}"));
            steps
        }),
    ]
}

pub(super) fn addresses() -> Vec<Case> {
    let to = |host: &'static str| within(host, get(host, "/", &[]));
    let refused = |name, host| refused(name, AddressNotAllowed, to(host));
    vec![
        refused("a name that leads to loopback", "loopback.test"),
        refused("a name that leads to loopback of IPv6", "loopback6.test"),
        refused("a name that leads to a cloud's metadata", "metadata.test"),
        refused("a name that leads to a private address", "private.test"),
        refused("a name that leads to a carrier's own address", "carrier.test"),
        refused("a name that leads to a unique local address", "unique.test"),
        refused("a name that leads to a mapped address", "mapped.test"),
        refused("a mapped form of an address that is allowed", "mapped-allowed.test"),
        refused("a name that leads to no address in particular", "nowhere.test"),
        refused("a name that leads to many", "many.test"),
        refused("a name that also leads where it may not", "mixed.test"),
    ]
}

pub(super) fn tunnels() -> Vec<Case> {
    let raw = |bytes: Vec<u8>| {
        let mut steps = connect("mute.test:{mute}");
        steps.push(Send(bytes));
        steps
    };
    let again = |host: &'static str, name| named(host, name, get(host, "/open", &[]));
    vec![
        refused(
            "another name within TLS that goes through",
            ServerNameDisagrees,
            again("spliced.test", Some("evil.test")),
        ),
        refused(
            "another name within TLS that is looked into",
            ServerNameDisagrees,
            again("inspected.test", Some("evil.test")),
        ),
        refused("no name within TLS that goes through", ServerNameDisagrees, again("spliced.test", None)),
        refused("no name within TLS that is looked into", ServerNameDisagrees, again("inspected.test", None)),
        refused(
            "two names within TLS",
            NotTls,
            raw(hello(&[(0, &name("mute.test")), (0, &name("made-it"))])),
        )
        .marked("made-it"),
        refused(
            "a name that is encrypted",
            ServerNameHidden,
            raw(hello(&[(0, &name("mute.test")), (0xfe0d, b"made-it")])),
        )
        .marked("made-it"),
        refused("HTTP after CONNECT", NotTls, raw(b"GET / HTTP/1.1\r\nx-mark: made-it\r\n\r\n".to_vec())),
        refused("SSH after CONNECT", NotTls, raw(b"SSH-2.0-made-it\r\n".to_vec())),
        refused("zeros after CONNECT", NotTls, raw(b"\0\0\0\0made-it".to_vec())),
        refused("an alert of TLS after CONNECT", NotTls, raw(b"\x15\x03\x01\x00\x09made-it!!".to_vec())),
        refused("HTTP after CONNECT to a host that is looked into", NotTls, {
            let mut steps = connect("mute-inside.test:{mute}");
            steps.push(send("GET /open HTTP/1.1\r\nx-mark: made-it\r\n\r\n"));
            steps
        }),
        refused("a first message that never ends", TooSlow, raw(b"\x16\x03\x01\x02\x00made-it".to_vec()))
            .slow(),
        passed(
            "TLS that goes through, whatever is within",
            within("spliced.test", get("evil.test", "/../any", &[])),
        ),
    ]
}

pub(super) fn hosts() -> Vec<Case> {
    let inner = |head: &[&str]| within("inspected.test", vec![lines(&[head, &[MARK]].concat())]);
    let host = "Host: inspected.test:{tls}";
    vec![
        passed("a request that is looked into", inspected("/open", &[])),
        passed(
            "a request that names its host twice alike",
            inner(&["GET https://inspected.test:{tls}/open HTTP/1.1", host]),
        ),
        refused(
            "another Host within TLS",
            HostDisagrees,
            inner(&["GET /open HTTP/1.1", "Host: evil.test:{tls}"]),
        ),
        refused(
            "another port in Host",
            HostDisagrees,
            inner(&["GET /open HTTP/1.1", "Host: inspected.test:1"]),
        ),
        refused("no Host within TLS", HostDisagrees, inner(&["GET /open HTTP/1.1"])),
        refused("two Hosts", HostDisagrees, inner(&["GET /open HTTP/1.1", host, "Host: evil.test:{tls}"])),
        refused(
            "another host in the target",
            HostDisagrees,
            inner(&["GET https://evil.test:{tls}/open HTTP/1.1", host]),
        ),
        refused("a second request for another host", HostDisagrees, {
            let first = lines(&["GET /open HTTP/1.1", host]);
            let second = lines(&["GET /open HTTP/1.1", "Host: evil.test:{tls}", MARK]);
            within("inspected.test", vec![first, Head, second])
        }),
        refused("a CONNECT within TLS", Malformed, inner(&["CONNECT inspected.test:{tls} HTTP/1.1", host])),
        refused(
            "the host in a header for proxies",
            OverrideRefused,
            inspected("/open", &["X-Forwarded-Host: evil.test"]),
        ),
        refused("the path in a header", OverrideRefused, inspected("/open", &["X-Original-URL: /closed"])),
        refused(
            "the method in a header",
            OverrideRefused,
            inspected("/open", &["X-HTTP-Method-Override: DELETE"]),
        ),
        refused(
            "an upgrade to a web socket",
            UpgradeRefused,
            inspected("/open", &["Connection: Upgrade", "Upgrade: websocket"]),
        ),
        refused(
            "an upgrade to HTTP/2",
            UpgradeRefused,
            inspected("/open", &["Upgrade: h2c", "HTTP2-Settings: AAMAAABk"]),
        ),
        refused(
            "HTTP/2 without asking",
            Malformed,
            within("inspected.test", vec![send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmade-it")]),
        ),
        refused("HTTP/2 by the agreement of TLS", ClientTls, {
            let mut steps = connect("inspected.test:{tls}");
            steps.push(Tls(Some("inspected.test"), &[b"h2"]));
            steps.push(send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmade-it"));
            steps
        }),
        passed(
            "headers for the proxy stay here",
            inspected("/open", &["Proxy-Authorization: Basic c2VjcmV0"]),
        )
        .without("roxy-"),
        passed("what Connection names stays here", inspected("/open", &["Connection: x-hop", "X-Hop: 1"]))
            .without("-hop"),
    ]
}

pub(super) fn plain_http() -> Vec<Case> {
    let host = "Host: plain.test:{plain}";
    vec![
        passed(
            "a plain request that is allowed",
            plain(&["GET http://plain.test:{plain}/open HTTP/1.1", host]),
        ),
        refused(
            "a plain request for a path that is not",
            PathNotAllowed,
            plain(&["GET http://plain.test:{plain}/ HTTP/1.1", host]),
        ),
        refused(
            "a plain request for a host that is not",
            DestinationNotAllowed,
            plain(&["GET http://evil.test:{plain}/open HTTP/1.1", "Host: evil.test:{plain}"]),
        ),
        refused(
            "a plain request for a host with TLS",
            DestinationNotAllowed,
            plain(&["GET http://spliced.test:{plain}/open HTTP/1.1", "Host: spliced.test:{plain}"]),
        ),
        refused(
            "TLS that the proxy is asked to speak",
            Malformed,
            plain(&["GET https://plain.test:{plain}/open HTTP/1.1", host]),
        ),
        refused("another scheme", Malformed, plain(&["GET ftp://plain.test:{plain}/open HTTP/1.1", host])),
        refused(
            "another Host beside the target",
            HostDisagrees,
            plain(&["GET http://plain.test:{plain}/open HTTP/1.1", "Host: evil.test:{plain}"]),
        ),
        refused(
            "a user in the target",
            Malformed,
            plain(&["GET http://plain.test@evil.test:{plain}/open HTTP/1.1", host]),
        ),
        refused("a request as to a server", Malformed, plain(&["GET /open HTTP/1.1", host])),
        refused("CONNECT to a host without TLS", DestinationNotAllowed, {
            let mut steps = connect("plain.test:{plain}");
            steps.push(lines(&["GET /closed HTTP/1.1", host, MARK]));
            steps
        }),
    ]
}

/// A first message of TLS with these extensions.
fn hello(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).expect("short").to_be_bytes();
    let mut list = Vec::new();
    for (kind, content) in extensions {
        list.extend([&kind.to_be_bytes()[..], &length(content), content].concat());
    }
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0], &length(&list), &list].concat();
    let message = [&[1, 0][..], &length(&body), &body].concat();
    [&[22, 3, 1][..], &length(&message), &message].concat()
}

fn name(name: &str) -> Vec<u8> {
    let length = u16::try_from(name.len()).expect("short");
    [&(length + 3).to_be_bytes()[..], &[0], &length.to_be_bytes(), name.as_bytes()].concat()
}
