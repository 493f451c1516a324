//! What agents have done for them where they are, with walls and without: tools through a program between, and commands in terminals.

use std::fs;

use crate::place::{Place, Said, run};

const WALLS: [&str; 2] = ["none", "namespaces"];

/// The main job with scripted agents that do this; nothing where there are no such walls.
fn played(place: &Place, walls: &str, test: &str, script: &str) -> Option<Said> {
    let agent = format!("{} agent scripted --acp {script}", env!("CARGO_BIN_EXE_quickstart"));
    let mut command = place.quickstart(&["--transport", "acp"]);
    command.args(["--author-command", &agent, "--reviewer-command", &agent]).env("STRIATUM_SANDBOX", walls);
    let said = run(command);
    if walls == "namespaces" && said.err.starts_with("error[sandbox_un") {
        striatum_testkit::skip(test, &said.err);
        return None;
    }
    Some(said.expect_code(0))
}

/// All that agents said.
fn transcripts(place: &Place) -> String {
    let mut folders = vec![place.data().join("sessions")];
    let mut all = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name() == "agent.log" {
                all.push_str(&fs::read_to_string(entry.path()).unwrap());
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    all
}

#[test]
fn an_agent_without_http_reaches_its_tools_through_a_program_between() {
    let test = "an_agent_without_http_reaches_its_tools_through_a_program_between";
    for walls in WALLS {
        let place = Place::new();
        let Some(said) = played(&place, walls, test, "--by-programs --stray elsewhere.txt") else { return };
        let history = crate::history::History::read(&place.data());
        assert_eq!(history.count("job.completed"), 3, "{walls}: {}", said.out);
        assert_eq!(history.grants().values().sum::<usize>(), 3, "what was refused was mended by tool");
        place.assert_tidy(&place.demo(), walls);
    }
}

#[test]
fn a_command_in_a_terminal_is_behind_the_walls_of_its_agent() {
    let test = "a_command_in_a_terminal_is_behind_the_walls_of_its_agent";
    for walls in WALLS {
        let place = Place::new();
        let secret = place.path("secret");
        fs::write(&secret, "hush-hush").unwrap();
        // Its words are parted at spaces.
        let script = format!("--run cat<{} --run ls --run sleep${{IFS}}0.1;exit${{IFS}}3", secret.display());
        let Some(_) = played(&place, walls, test, &script) else { return };
        let told = transcripts(&place);
        assert_eq!(told.contains("hush-hush"), walls == "none", "{told}");
        assert!(told.contains("ls ended with Some(0)") && told.contains("README.md"), "{told}");
        assert!(told.contains("ended with Some(3)"), "{told}");
        place.assert_tidy(&place.demo(), walls);
    }
}
