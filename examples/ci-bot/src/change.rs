//! What is judged: the difference that the branch makes. The bot itself leaves it as an artifact, so that each verdict is bound to its
//! very bytes.

use std::{fs, io, path::Path, process::Command};

use async_trait::async_trait;
use striatum::{
    adapter::{AdapterError, Assignment, End, Finished, LaneAdapter},
    core::{run::Usage, sandbox::Isolation, workflow::Offers},
};

/// The adapter of the bot's own lane.
pub(crate) const ADAPTER: &str = "ci-bot";

/// The difference between two revisions.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) text: String,
}

impl Change {
    /// What the checked out branch changes since it left another one.
    pub(crate) fn of(repository: &Path, against: &str) -> Result<Self, crate::Failed> {
        let output = Command::new("git")
            .args([
                "diff",
                "--no-color",
                "--no-ext-diff",
                "--merge-base",
                "--end-of-options",
                against,
                "HEAD",
            ])
            .current_dir(repository)
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("git cannot compare HEAD with {against}: {}", said.trim()).into());
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match text.trim() {
            "" => Err(format!("HEAD changes nothing against {against}: there is nothing to judge").into()),
            _ => Ok(Self { text }),
        }
    }

    fn leave(&self, assignment: &Assignment) -> io::Result<()> {
        for artifact in &assignment.packet.expected_artifacts {
            let path = assignment.tree.join(&artifact.path);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, &self.text)?;
        }
        Ok(())
    }
}

/// The bot does its own jobs in this process: it leaves the difference, and counts the votes by being handed the last job.
#[async_trait]
impl LaneAdapter for Change {
    fn offers(&self, sandbox: &Isolation) -> Offers {
        Offers::process().within(sandbox)
    }

    async fn work(&self, assignment: Assignment) -> Result<Finished, AdapterError> {
        self.leave(&assignment).map_err(|error| AdapterError::new("leave the change").because(error))?;
        Ok(Finished::new(End::Ended, None, Usage::default()))
    }
}
