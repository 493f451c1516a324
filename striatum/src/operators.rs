//! The orchestrator as what an interface for operators works on.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use striatum_core::{
    id::RunId,
    run::{Actor, Supersede},
};
use striatum_server::{
    Boundary, Refusal,
    authority::Authority,
    operators::{Branch, Document as Wanted, Operators, Prepared, Problem, Repository, Warning},
};
use striatum_workspace::BranchName;

use crate::{
    Document, Orchestrator,
    orchestrator::{Error, ErrorKind},
};

impl Orchestrator {
    /// Opens the interface for operators over this orchestrator's store and repository. What they ask is done whether or not
    /// [`run`](Self::run) is called; jobs are worked on only while it is.
    ///
    /// # Errors
    /// [`Error`] if the store cannot be used.
    pub async fn operators(&self, authority: Arc<Authority>, boundary: Boundary) -> Result<Operators, Error> {
        let chain = self.repository().chain().clone();
        let repository: Arc<dyn Repository> = Arc::new(self.clone());
        Ok(Operators::open(self.engine().clone(), authority, [(chain, repository)], boundary).await?)
    }
}

#[async_trait]
impl Repository for Orchestrator {
    async fn prepare(&self, document: Wanted, actor: &Actor) -> Result<Prepared, Problem> {
        let document = self.found(document).map_err(problem)?;
        let prepared = self.prepare(&document, actor.clone()).await.map_err(problem)?;
        let warnings = prepared.warnings.iter().map(|finding| Warning {
            code: finding.code.as_str().to_owned(),
            pointer: finding.pointer.clone(),
            message: finding.message.clone(),
        });
        Ok(Prepared::new(prepared.run, warnings.collect()))
    }

    async fn branch(&self, run: RunId, wanted: Option<&str>) -> Result<Branch, Problem> {
        let found = async {
            let name = match wanted {
                Some(wanted) => wanted.to_owned(),
                None => {
                    let state = self.load(run).await?.state;
                    self.free_branch(&state.workflow().branch.suggested_name).await?
                }
            };
            let at = self.repository().branch(&BranchName::new(&name)?).await?;
            Ok(Branch { name, at })
        };
        found.await.map_err(problem)
    }

    async fn amend(&self, run: RunId, actor: &Actor, wanted: Supersede) -> Result<Supersede, Problem> {
        self.amended(run, actor, wanted).await.map_err(problem)
    }
}

impl Orchestrator {
    /// The document that is asked for. Nothing outside of the repository is read, whatever a path or a link says.
    fn found(&self, wanted: Wanted) -> Result<Document, Error> {
        let root = self.repository().root();
        match wanted {
            Wanted::Path(path) => {
                let path = inside(root, &path)?;
                let real = fs::canonicalize(&path).map_err(|error| unreadable(&path).because(error))?;
                if !real.starts_with(root) {
                    return Err(unreadable(&path).because(io::Error::other("it leads out of the repository")));
                }
                Document::read(&real)
            }
            Wanted::Inline { document, folder } => {
                let folder = inside(root, &folder)?;
                let bytes = serde_json::to_vec(&document);
                let bytes = bytes.map_err(|error| {
                    Error::new(ErrorKind::DocumentInvalid, "the document is no JSON").because(error)
                })?;
                Ok(Document::new(bytes, folder))
            }
        }
    }
}

fn inside(root: &Path, path: &str) -> Result<PathBuf, Error> {
    let is_plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if is_plain {
        return Ok(root.join(path));
    }
    Err(unreadable(Path::new(path))
        .because(io::Error::other("it is not a path from the root of the repository")))
}

fn unreadable(path: &Path) -> Error {
    Error::new(ErrorKind::FileUnreadable, format!("read {}", path.display()))
}

fn problem(error: Error) -> Problem {
    if let Some(error) = error.engine() {
        return Problem::from(error);
    }
    let status = match error.kind() {
        Some(
            ErrorKind::DocumentInvalid
            | ErrorKind::AdapterUnknown
            | ErrorKind::EnvMissing
            | ErrorKind::AgentMissing
            | ErrorKind::EnforcementUnavailable
            | ErrorKind::FileUnreadable,
        ) => 422,
        Some(_) => 500,
        None if error.is_retryable() => 503,
        // What is wrong with a repository or its branches.
        None => 409,
    };
    Problem::of(status, Refusal::new(error.code(), error.chain(), error.remedy()))
}
