//! What is said of an agent that cannot be started.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path};

use striatum_acp::{Adapter, Missing, Surroundings, Version, preflight};

fn program(folder: &Path, name: &str, script: &str) {
    let file = folder.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

#[tokio::test]
async fn everything_that_is_missing_is_said_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let adapter = Adapter::named("claude").expect("it is known");
    let mut here = Surroundings { path: folder.path().into(), variables: BTreeSet::new() };
    let said: Vec<_> = preflight(adapter, &here).await.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "the program \"claude-agent-acp\" is not in PATH; install it with: npm install -g \
             @agentclientprotocol/claude-agent-acp",
            "the program \"node\" is not in PATH; install version 22.0.0 or later",
            "there are no credentials; let the lane name one of ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, \
             CLAUDE_CODE_OAUTH_TOKEN",
        ]
    );

    program(folder.path(), "claude-agent-acp", "exit 1");
    // It must not see what it is not given.
    program(folder.path(), "node", "echo \"${HOME:-v20.20.2}\"");
    here.variables.insert("ANTHROPIC_API_KEY".to_owned());
    let missing = preflight(adapter, &here).await;
    let (found, at_least) = (Some(Version::new(20, 20, 2)), Version::new(22, 0, 0));
    assert_eq!(missing, [Missing::Version { program: "node".to_owned(), found, at_least }]);
    assert_eq!(missing[0].to_string(), "node 20.20.2 is too old; install 22.0.0 or later");

    program(folder.path(), "node", "echo v22.1.0");
    assert_eq!(preflight(adapter, &here).await, []);
}

#[tokio::test]
async fn an_agent_without_http_lacks_a_program_between_it_and_its_tools() {
    let folder = tempfile::tempdir().expect("a folder");
    program(folder.path(), "vibe-acp", "exit 1");
    let variables = BTreeSet::from(["MISTRAL_API_KEY".to_owned()]);
    let here = Surroundings { path: folder.path().into(), variables };
    let adapter = Adapter::named("vibe").expect("it is known");
    let missing = preflight(adapter, &here).await;
    assert_eq!(missing, [Missing::Bridge { program: "striatum-mcp" }]);
    assert!(missing[0].is_bridge() && missing[0].to_string().contains("striatum-server"));

    program(folder.path(), "striatum-mcp", "exit 1");
    assert_eq!(preflight(adapter, &here).await, []);
}

#[tokio::test]
async fn a_file_that_cannot_be_run_is_no_program() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("opencode"), "").expect("a file");
    let here = Surroundings { path: folder.path().into(), variables: BTreeSet::new() };
    let missing = preflight(Adapter::named("opencode").expect("it is known"), &here).await;
    assert!(
        matches!(missing.as_slice(), [Missing::Program { program, .. }] if program == "opencode"),
        "{missing:?}"
    );
}

#[test]
fn a_program_is_looked_for_by_its_name_or_where_it_is_said_to_be() {
    let folder = tempfile::tempdir().expect("a folder");
    program(folder.path(), "agent", "exit 0");
    fs::write(folder.path().join("text"), "").expect("a file");
    let there = folder.path().join("agent").display().to_string();
    let absent = folder.path().join("text").display().to_string();
    let table = [("agent", true), ("nobody", false), ("text", false), ("./agent", true), ("bin/agent", true)];
    let table = table.into_iter().chain([(there.as_str(), true), (absent.as_str(), false), ("", false)]);
    for (name, is_there) in table {
        let missing = striatum_acp::look_for(name.as_ref(), folder.path().as_os_str());
        assert_eq!(missing.is_none(), is_there, "{name}: {missing:?}");
    }
}
