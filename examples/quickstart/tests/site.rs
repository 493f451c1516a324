//! A repository with a small document of its own.

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::{
    history::History,
    place::{Place, Said, commit_all, run, write},
};

/// A repository with a document of three jobs, and an agent for all of them that is a shell script.
pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) repository: PathBuf,
}

impl Site {
    pub(crate) fn new(script: &str, change: impl FnOnce(&mut Value)) -> Self {
        let place = Place::new();
        let repository = place.path("repository");
        let agent = place.path("agent.sh");
        write(&agent, script);
        let job = |id: &str, kind: &str, more: Value| {
            let mut job = json!({
                "id": id, "type": kind, "role_id": "all", "lane_id": "main", "objective": "Do it.",
                "write_scope": {"mode": "repo_write", "allowed_paths": ["out/"]},
                "expected_artifacts": [{"logical_name": id, "path": format!("out/{id}.md")}],
            });
            job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            job
        };
        let mut document = json!({
            "schema_version": "striatum.workflow.v2",
            "workflow_id": "site",
            "lanes": {"main": {"adapter": "process", "command": ["/bin/sh", agent]}},
            "roles": {"all": {"summary": "Does it."}},
            "jobs": [
                job("a", "draft", json!({})),
                job("r", "review", json!({"inputs": ["a"]})),
                job("later", "build", json!({})),
            ],
            "edges": [{"from": "a", "to": "r"}, {"from": "r", "to": "later"}],
        });
        change(&mut document);
        write(&repository.join("workflow.json"), &document.to_string());
        commit_all(&repository);
        Self { place, repository }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.quickstart(arguments);
        command.arg("--repo").arg(&self.repository);
        command
    }

    /// The command that people are told to give.
    pub(crate) fn again(&self) -> String {
        let (repository, data) = (self.repository.display(), self.place.data());
        format!("cargo run -p quickstart -- --repo {repository} --data {}", data.display())
    }

    pub(crate) fn begin(&self) -> Command {
        let mut command = self.command(&[]);
        command.arg("--workflow").arg(self.repository.join("workflow.json"));
        command
    }

    pub(crate) fn say(&self, arguments: &[&str]) -> Said {
        run(self.command(arguments))
    }

    pub(crate) fn history(&self) -> History {
        History::read(&self.place.data())
    }
}

#[track_caller]
pub(crate) fn expect_words(said: &Said, words: &[&str]) {
    for word in words {
        assert!(said.out.contains(word), "{word:?} is missing in {}", said.out);
    }
}

/// Does what is asked of it.
pub(crate) const DILIGENT: &str = "cat > /dev/null\nmkdir -p out\n\
    printf -- '---\\nverdict: accept\\n---\\ndone\\n' > out/$STRIATUM_JOB.md\n";
