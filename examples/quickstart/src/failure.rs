//! What went wrong, for a person: a code, a sentence, a way out.

use std::{error::Error, process::ExitCode};

use striatum::core::{
    sandbox::SandboxError,
    store::{BlobError, StoreError},
};
#[cfg(feature = "acp")]
use striatum::sandbox::egress::EgressError;
use striatum::workspace::WorkspaceError;

/// Something that ends the program.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) sentence: String,
    pub(crate) remedy: String,
}

impl Failure {
    pub(crate) fn new(code: &str, sentence: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code: code.to_owned(), sentence: sentence.into(), remedy: remedy.into() }
    }

    /// Tells the person, and gives the exit code.
    pub(crate) fn explain(self) -> ExitCode {
        eprintln!("error[{}]: {}\n  what to do: {}", self.code, self.sentence, self.remedy);
        ExitCode::FAILURE
    }

    /// The same, where giving the same command again goes on from here.
    pub(crate) fn resumable(mut self) -> Self {
        self.remedy += "; then give the same command again, it goes on";
        self
    }

    /// All of it, for a line of something else.
    pub(crate) fn in_one_line(&self) -> String {
        format!("{} [{}]; to have walls: {}", self.sentence, self.code, self.remedy)
    }

    pub(crate) fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(
            "file_unusable",
            format!("cannot {doing} {}: {error}", path.display()),
            "check the path, its permissions and the free space",
        )
    }
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_causes(cause)),
        None => error.to_string(),
    }
}

impl From<striatum::Error> for Failure {
    fn from(error: striatum::Error) -> Self {
        Self::new(error.code(), error.chain(), error.remedy())
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        let remedy = error.remedy.clone().unwrap_or_else(|| "see the cause".to_owned());
        Self::new(error.kind.code(), with_causes(&error), remedy)
    }
}

#[cfg(feature = "acp")]
impl From<EgressError> for Failure {
    fn from(error: EgressError) -> Self {
        Self::new(error.kind.code(), with_causes(&error), error.kind.remedy())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.kind().code(), with_causes(&error), error.kind().remedy())
    }
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Self {
        Self::new(error.kind.code(), with_causes(&error), "check the data folder and the free space")
    }
}

impl From<WorkspaceError> for Failure {
    fn from(error: WorkspaceError) -> Self {
        Self::new(error.code(), with_causes(&error), error.remedy())
    }
}
