//! A person with a repository, and what the tests ask of it.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use striatum_core::{
    id::{CommitId, Fence, JobId, RunId, SessionId},
    time::Timestamp,
    workflow::{WriteMode, WriteScope},
};
use striatum_workspace::{Git, Grant, Repository, Stamp, WorkspaceError};
use tempfile::TempDir;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A temporary folder with a repository `person`, and room for the data folder and others.
pub(crate) struct Person {
    folder: TempDir,
    root: PathBuf,
}

impl Person {
    /// A repository with one commit: `README.md`, `src/main.rs`, an executable, a link, and an ignore list.
    pub(crate) fn new() -> Outcome<Self> {
        Self::with("person", &["init", "-q", "-b", "main"])
    }

    /// The same, at another place or of another kind.
    pub(crate) fn with(place: &str, init: &[&str]) -> Outcome<Self> {
        let folder = TempDir::new()?;
        let root = folder.path().join(place);
        fs::create_dir_all(&root)?;
        let person = Self { root: root.canonicalize()?, folder };
        person.git(init)?;
        person.write("README.md", "read me\n")?;
        person.write("src/main.rs", "fn main() {}\n")?;
        person.write("run.sh", "#!/bin/sh\n")?;
        person.write(".gitignore", "target/\n*.tmp\n")?;
        std::os::unix::fs::symlink("README.md", person.root.join("link"))?;
        make_executable(&person.root.join("run.sh"))?;
        person.commit_all("begin")?;
        Ok(person)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn git(&self, args: &[&str]) -> Outcome<String> {
        git_in(&self.root, args)
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) -> Outcome {
        put(&self.root, path, text)
    }

    pub(crate) fn commit_all(&self, message: &str) -> Outcome<CommitId> {
        self.git(&["add", "-A"])?;
        self.git(&["commit", "-q", "-m", message])?;
        Ok(CommitId::new(self.git(&["rev-parse", "HEAD"])?)?)
    }

    pub(crate) async fn open(&self) -> Result<Repository, WorkspaceError> {
        Repository::open(&self.root, &self.beside("data"), Git::new()).await
    }

    /// Every file of the checkout with its bytes, and the index: what must not change behind the person's back.
    pub(crate) fn checkout(&self) -> Outcome<BTreeMap<PathBuf, Vec<u8>>> {
        let mut files = BTreeMap::new();
        collect(&self.root, &mut files)?;
        let index = self.root.join(".git/index");
        let written = fs::metadata(&index)?.modified()?;
        files.insert(index.clone(), fs::read(&index)?);
        files.insert(index.with_extension("time"), format!("{written:?}").into_bytes());
        files.insert(PathBuf::from("HEAD"), fs::read(self.root.join(".git/HEAD"))?);
        Ok(files)
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Outcome {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_symlink() {
            files.insert(path.clone(), fs::read_link(&path)?.into_os_string().into_encoded_bytes());
        } else if path.is_dir() && path.file_name() != Some(".git".as_ref()) {
            collect(&path, files)?;
        } else if path.is_file() {
            files.insert(path.clone(), fs::read(&path)?);
        }
    }
    Ok(())
}

/// Runs git as people and agents do: in a folder, with an identity, obeying the repository's configuration.
pub(crate) fn git_in(folder: &Path, args: &[&str]) -> Outcome<String> {
    let output = Command::new("git")
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["-c", "user.name=Somebody", "-c", "user.email=somebody@example.invalid"])
        .args(["-c", "protocol.file.allow=always"])
        .args(args)
        .output()?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    } else {
        Err(format!("git {args:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
    }
}

/// The bytes of a path at a commit, as git shows them.
pub(crate) fn show(folder: &Path, commit: &str, path: &str) -> Outcome<Vec<u8>> {
    let output =
        Command::new("git").current_dir(folder).args(["show", &format!("{commit}:{path}")]).output()?;
    if output.status.success() { Ok(output.stdout) } else { Err(format!("{commit} has no {path}").into()) }
}

pub(crate) fn put(root: &Path, path: &str, text: impl AsRef<[u8]>) -> Outcome {
    let path = root.join(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(path, text)?)
}

pub(crate) fn make_executable(path: &Path) -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

/// The first grant of a job, in the same run each time.
pub(crate) fn grant(job: &str) -> Outcome<Grant> {
    let fence = Fence {
        run: RunId::from_bytes([0xab; 16]),
        job: JobId::new(job)?,
        epoch: 1,
        session: SessionId::from_bytes([0xcd; 16]),
    };
    let scope = WriteScope {
        mode: WriteMode::RepoWrite,
        allowed_paths: vec![".".into()],
        forbidden_paths: Vec::new(),
    };
    Ok(Grant { fence, attempt: 1, granted_at: Timestamp::from_micros(1_700_000_000_000_000), scope })
}

pub(crate) fn stamp() -> Stamp {
    Stamp { at: Timestamp::from_micros(1_700_000_000_000_000), message: "Join".to_owned() }
}

/// The code of a failure, or what should not have succeeded.
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, WorkspaceError>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => error.code().to_owned(),
    }
}
