//! Where whole jobs are done: a repository, a data folder, and an orchestrator of theirs, which has no walls.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use striatum::{
    Builder, Orchestrator,
    sandbox::NoSandbox,
    workspace::{Git, ObjectBlobs, Repository},
};
use striatum_sqlite::SqliteStore;

use crate::Outcome;

pub(crate) struct Site {
    pub(crate) root: PathBuf,
    pub(crate) data: PathBuf,
}

impl Site {
    /// A repository with one commit of so many files.
    pub(crate) fn plant(folder: &Path, files: usize) -> Outcome<Self> {
        let root = folder.join("repository");
        fs::create_dir(&root)?;
        for number in 0..files {
            let folder = root.join(format!("src/part-{}", number % 10));
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(format!("{number}.rs")), format!("// {number}\n").repeat(100))?;
        }
        git(&root, &["init", "-q", "-b", "main"])?;
        git(&root, &["add", "-A"])?;
        git(&root, &["commit", "-q", "--allow-empty", "-m", "begin"])?;
        Ok(Self { root, data: folder.join("data") })
    }

    pub(crate) async fn orchestrator(&self) -> Outcome<Builder> {
        let repository = Repository::open(&self.root, &self.data, Git::new()).await?;
        Ok(Orchestrator::builder()
            .store(Arc::new(SqliteStore::open(self.data.join("striatum.db")).await?))
            .blobs(Arc::new(ObjectBlobs::local(&self.data.join("blobs"))?))
            .repository(repository)
            .sandbox(Arc::new(NoSandbox::new("/usr/bin:/bin".into())))
            .data(&self.data))
    }
}

pub(crate) fn git(folder: &Path, args: &[&str]) -> Outcome {
    expect_success(striatum_testkit::git::call(folder, "Ada").args(args))
}

pub(crate) fn expect_success(command: &mut Command) -> Outcome {
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("{command:?}: {status}").into()),
    }
}
