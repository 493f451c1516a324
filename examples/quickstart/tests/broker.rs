//! A key in the person's environment, and an agent behind walls that asks its model with it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    sync::mpsc,
    thread,
};

use crate::place::{Place, files, git, run};

const KEY: &str = "sk-ant-real-and-never-to-be-seen";

/// A model's host on loopback; and the heads of what it is asked.
fn host() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let (mut head, mut length) = (String::new(), 0);
            while reader.read_line(&mut head).is_ok_and(|count| count > 2) {
                let last = head.lines().next_back().unwrap_or_default();
                if let Some(value) = last.strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let body = r#"{"type":"message","content":[],"usage":{"input_tokens":1,"output_tokens":1}}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _gone = (&stream).write_all(answer.as_bytes());
            let _gone = tell.send(head);
        }
    });
    (url, asked)
}

/// The agent is a stand-in for a known one: it has its name, writes down all that it has, asks its model, and does its work.
#[test]
fn a_key_reaches_the_model_and_no_agent() {
    let test = "a_key_reaches_the_model_and_no_agent";
    let (url, asked) = host();
    let place = Place::new();
    let programs = place.path("programs");
    fs::create_dir(&programs).unwrap();
    let this = env!("CARGO_BIN_EXE_quickstart");
    let script = format!(
        "#!/bin/sh\n[ $STRIATUM_JOB != draft_change ] || {{ mkdir -p proposals; env >proposals/seen.txt; }}\n\
         curl -s -o /dev/null -H \"x-api-key: $ANTHROPIC_API_KEY\" -H 'content-type: application/json' \
         -d '{{\"model\":\"m\",\"max_tokens\":8,\"messages\":[]}}' \"$ANTHROPIC_BASE_URL/v1/messages\" </dev/null\n\
         case $STRIATUM_JOB in review*) part=reviewer ;; *) part=author ;; esac\n\
         '{this}' agent $part --acp | sed -u 's/\"version\":\"[0-9.]*\"/\"version\":\"9.9.9\"/'\n"
    );
    for (name, text) in [("claude-agent-acp", script.as_str()), ("node", "#!/bin/sh\necho v22.0.0\n")] {
        fs::write(programs.join(name), text).unwrap();
        fs::set_permissions(programs.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = place.quickstart(&["--sandbox", "namespaces", "--agent", "claude", "--mount", this]);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", programs.display()));
    command.env("ANTHROPIC_API_KEY", KEY).env("ANTHROPIC_BASE_URL", &url);
    let said = run(command);
    if said.err.contains("error[sandbox_unavailable]") {
        return striatum_testkit::skip(test, said.err.lines().next().unwrap_or_default());
    }
    let said = said.expect_code(0);
    assert!(said.out.contains("gets a placeholder for ANTHROPIC_API_KEY"), "{}", said.out);
    let heads: Vec<String> = asked.try_iter().collect();
    assert!(!heads.is_empty(), "nobody asked: {}", said.out);
    for head in heads {
        assert!(head.contains(KEY), "{head}");
    }
    let seen = git(&place.demo(), &["show", "striatum/greeting:proposals/seen.txt"]);
    assert!(seen.contains("ANTHROPIC_BASE_URL=http://127.0.0.1:") && !seen.contains(&url), "{seen}");
    assert!(seen.contains("ANTHROPIC_API_KEY=") && !seen.contains(KEY), "{seen}");
    for file in files(&place.data()) {
        // Of what is no plain file there is nothing to be read.
        let is_plain = fs::symlink_metadata(&file).is_ok_and(|meta| meta.is_file());
        let bytes = if is_plain { fs::read(&file).unwrap_or_default() } else { Vec::new() };
        assert!(!bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "{}", file.display());
    }
}
