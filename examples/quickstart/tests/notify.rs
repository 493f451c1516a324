//! Somebody is told when a person is wanted.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use striatum::server::authority::SharedSecret;

use crate::{
    place::{Place, run, until, write},
    serve::Service,
    site::{Site, expect_words},
};

#[test]
fn the_command_that_is_named_is_told_of_a_question() {
    let site =
        Site::new("cat > /dev/null\necho '{\"ask\": \"Tabs or blanks?\"}' > $STRIATUM_REPORT\n", |_| {});
    let note = site.place.path("a note");
    let mut asking = site.begin();
    asking.arg("--notify-command").arg(format!("sh -c 'cat > \"{}\"'", note.display()));
    let asked = run(asking).expect_code(3);
    expect_words(&asked, &["notify: sh is told when a person is wanted"]);
    let told: Value = serde_json::from_str(&fs::read_to_string(&note).unwrap()).unwrap();
    assert_eq!((&told["code"], &told["text"]), (&json!("question"), &json!("Tabs or blanks?")));
    assert_eq!(site.history().count("question.notified"), 1);
}

/// Takes one request, as head and body, and says that it was heard.
fn take(receiver: &TcpListener) -> (String, String) {
    let (mut stream, _) = receiver.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while reader.read_line(&mut head).unwrap() > 2 {}
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[test]
fn the_receiver_that_is_named_is_told_of_what_an_operator_raises() {
    let place = Place::new();
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = receiver.local_addr().unwrap();
    let secret = place.path("secret");
    write(&secret, "both sides know it\n");
    let mut serving = place.quickstart(&["serve"]);
    serving
        .arg("--notify-url")
        .arg(format!("http://{address}/hook/4f2a"))
        .arg("--notify-secret")
        .arg(&secret);
    let service = Service::start(&place, &mut serving);
    let out = service.running.out();
    assert!(out.contains(&format!("notify: {address} is told")) && !out.contains("4f2a"), "{out}");

    let run = service.begin();
    let at = format!("/v1/runs/{run}/escalations");
    service.json("POST", &at, &json!({ "reason": "The disk is full." }));
    let (head, body) = take(&receiver);
    let signature = SharedSecret::new("both sides know it").sign(body.as_bytes());
    assert!(head.starts_with("POST /hook/4f2a ") && head.contains(&format!("sha256={signature}")), "{head}");
    assert!(body.contains("\"text\":\"The disk is full.\""), "{body}");
    until("the note", || service.json("GET", &at, &json!({}))["items"][0]["notified"] == true);
    service.running.signal(Signal::INT);
    service.running.end().expect_code(0);
}

#[test]
fn who_cannot_be_told_is_said_before_anything_runs() {
    let place = Place::new();
    let (secret, empty) = (place.path("secret"), place.path("empty"));
    write(&secret, "known");
    write(&empty, "\n");
    let (secret, empty) = (secret.to_str().unwrap(), empty.to_str().unwrap());
    for (arguments, words) in [
        (&["--notify-command", "sh 'open"][..], "is no command"),
        (&["--notify-command", ""], "is no command"),
        (
            &["--notify-url", "ftp://host/hook", "--notify-secret", secret],
            "its scheme is neither https nor http",
        ),
        (&["--notify-url", "http://localhost/hook", "--notify-secret", empty], "there is no secret in"),
    ] {
        let said = run(place.quickstart(arguments)).expect_code(1);
        assert!(said.err.contains(words), "{arguments:?}: {}", said.err);
        assert!(said.err.contains("what to do: "), "{}", said.err);
    }
    let alone = run(place.quickstart(&["--notify-url", "http://localhost/hook"]));
    assert_eq!(alone.code, Some(2), "{}", alone.err);
}
