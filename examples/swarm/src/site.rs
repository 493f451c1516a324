//! Where all work: one git repository, and the folder beside it that the processes share.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use striatum::{
    Limits, Orchestrator,
    pg::PgStore,
    sandbox::NoSandbox,
    workspace::{Git, ObjectBlobs, Repository},
};

use crate::Outcome;

pub(crate) struct Site(PathBuf);

impl Site {
    pub(crate) fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// A new one, with a repository of one commit.
    pub(crate) fn make(folder: &Path) -> Outcome<Self> {
        let site = Self::at(folder);
        fs::create_dir(site.repository())?;
        File::create(site.register())?;
        fs::write(site.repository().join("README.md"), "What a swarm works on.\n")?;
        site.git(&["init", "--quiet", "--initial-branch=main"])?;
        site.git(&["add", "--all"])?;
        site.git(&["commit", "--quiet", "--message", "Begin"])?;
        Ok(site)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// Where agents sign in and out.
    pub(crate) fn register(&self) -> PathBuf {
        self.0.join("register")
    }

    /// The ready orchestrator, as every worker runs it.
    pub(crate) async fn orchestrator(&self, store: Arc<PgStore>) -> Outcome<Orchestrator> {
        let data = self.0.join("data");
        // Looks often: that a worker is dead is told by nobody.
        let limits = Limits::default().agents(2).poll(Duration::from_millis(500));
        let orchestrator = Orchestrator::builder()
            .store(store)
            .blobs(Arc::new(ObjectBlobs::local(&data.join("blobs"))?))
            .repository(Repository::open(&self.repository(), &data, Git::default()).await?)
            .sandbox(Arc::new(NoSandbox::new(std::env::var_os("PATH").unwrap_or_default())))
            .data(&data)
            .limits(limits)
            .build()
            .await?;
        Ok(orchestrator)
    }

    /// How many work trees the repository has, the person's own included.
    pub(crate) fn trees(&self) -> Outcome<usize> {
        Ok(self.git(&["worktree", "list", "--porcelain"])?.matches("worktree ").count())
    }

    fn repository(&self) -> PathBuf {
        self.0.join("repository")
    }

    /// Runs git without anybody's settings.
    fn git(&self, arguments: &[&str]) -> Outcome<String> {
        let ended =
            striatum_testkit::git::call(&self.repository(), "Striatum swarm").args(arguments).output()?;
        if !ended.status.success() {
            return Err(format!("git {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr)).into());
        }
        Ok(String::from_utf8(ended.stdout)?)
    }
}
