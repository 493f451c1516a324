//! The agents of the demonstration: this program once more, as a coding agent that speaks the Agent Client Protocol, or as any
//! terminal program would be an agent.
//!
//! The author first forgets a case; the reviewer really runs what it is given, and so finds it.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
    process::{Command, ExitCode},
};

use serde_json::json;
use striatum_testkit::agent::{Guise, Hands, Script, Task, serve};

use crate::failure::Failure;

const FIRST: &str = "#!/bin/sh\n# Greets whoever is named.\necho \"hello, $1\"\n";
const REVISED: &str = "#!/bin/sh\n# Greets whoever is named, or the world.\necho \"hello, ${1:-world}\"\n";

/// Plays an agent in the present folder, which is its work tree.
pub(crate) fn play(part: &str, script: &[String]) -> ExitCode {
    let by_tools = script.iter().any(|argument| argument == "--acp");
    let played = match part {
        "author" if by_tools => serve(&guise(part), |hands| {
            let task = hands.task()?;
            hands.edited(author(&task)?)?;
            hand_in(hands, "complete_work", &json!({}))
        }),
        "reviewer" if by_tools => serve(&guise(part), |hands| {
            hands.task()?;
            let (verdict, findings) = judged()?;
            hands.edited(REVIEW)?;
            hand_in(hands, "submit_review", &json!({"verdict": verdict, "findings": findings}))
        }),
        "author" => read_task().and_then(|task| author(&task)).map(drop),
        "reviewer" => read_task().and_then(|_| judged()).map(drop),
        "scripted" => Script::parse(script).and_then(|script| script.play()),
        other => Err(io::Error::other(format!("there is no part {other:?}"))),
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => Failure::new("agent_failed", error.to_string(), "see the packet").explain(),
    }
}

fn guise(part: &str) -> Guise {
    let (name, version) = (format!("quickstart-{part}"), env!("CARGO_PKG_VERSION").to_owned());
    Guise { name, version, model: Some(format!("scripted-{part}")), ..Guise::default() }
}

/// Hands in what is done. What is refused is said; there is nothing that this agent could mend.
fn hand_in(hands: &mut Hands<'_>, tool: &str, arguments: &serde_json::Value) -> io::Result<()> {
    hands.call(tool, arguments).map(drop)
}

/// Does what the task says, and tells which file it changed.
fn author(task: &Task) -> io::Result<&'static str> {
    match task.job() {
        "apply_change" => {
            fs::create_dir_all("bin")?;
            // Copying keeps the mode as well.
            fs::copy("proposals/greet.sh", "bin/greet.sh")?;
            Ok("bin/greet.sh")
        }
        _ => {
            fs::create_dir_all("proposals")?;
            fs::write("proposals/greet.sh", if task.was_sent_back() { REVISED } else { FIRST })?;
            make_executable(Path::new("proposals/greet.sh"))?;
            Ok("proposals/greet.sh")
        }
    }
}

/// Where the review belongs.
const REVIEW: &str = "reviews/greet.md";

/// Runs what it is given, and writes down what it found.
fn judged() -> io::Result<(&'static str, Vec<String>)> {
    let mut findings = Vec::new();
    for (arguments, wanted) in [(&["Ada"][..], "hello, Ada"), (&[], "hello, world")] {
        let ran = Command::new("sh").arg("proposals/greet.sh").args(arguments).output()?;
        let printed = String::from_utf8_lossy(&ran.stdout).trim_end().to_owned();
        if printed != wanted {
            let called = if arguments.is_empty() { "without a name" } else { "with a name" };
            findings.push(format!("called {called} it prints {printed:?} where {wanted:?} is wanted"));
        }
    }
    let verdict = if findings.is_empty() { "accept" } else { "needs_revision" };
    let listed: String =
        findings.iter().map(|finding| format!("  - '{}'\n", finding.replace('\'', "''"))).collect();
    let matter = if findings.is_empty() { String::new() } else { format!("findings:\n{listed}") };
    let said = if findings.is_empty() {
        "It does what was asked, in both cases."
    } else {
        "It does not do what was asked."
    };
    fs::create_dir_all("reviews")?;
    let text = format!("---\nverdict: {verdict}\n{matter}---\n# Review of proposals/greet.sh\n\n{said}\n");
    fs::write(REVIEW, text)?;
    Ok((verdict, findings))
}

/// Reads the task from standard input, as an agent does that understands words, and the packet, as one that does not.
fn read_task() -> io::Result<Task> {
    io::stdin().read_to_end(&mut Vec::new())?;
    Task::read()
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}
