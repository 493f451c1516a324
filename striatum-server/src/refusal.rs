//! What is said to somebody whose request was refused.

use std::{borrow::Cow, fmt};

use serde::Serialize;
use striatum_core::{engine::EngineError, run::Rejection};

/// Why something was refused, and what to do about it. It is read by agents, so it says both in words.
///
/// ```
/// use striatum_server::Refusal;
///
/// let refusal = Refusal::new("artifact_empty", "the file is empty", "write the artifact and publish it again");
/// assert_eq!(
///     refusal.to_string(),
///     "refused (artifact_empty): the file is empty. What to do: write the artifact and publish it again."
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Refusal {
    /// The stable code, which `docs/errors.md` lists.
    pub code: Cow<'static, str>,
    /// What is wrong, as a fragment without a full stop.
    pub sentence: Cow<'static, str>,
    /// What to do next, likewise.
    pub remedy: Cow<'static, str>,
}

impl Refusal {
    /// A refusal.
    pub fn new(
        code: impl Into<Cow<'static, str>>,
        sentence: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { code: code.into(), sentence: sentence.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, sentence, remedy } = self;
        write!(f, "refused ({code}): {sentence}. What to do: {remedy}.")
    }
}

impl std::error::Error for Refusal {}

impl From<&Rejection> for Refusal {
    fn from(rejection: &Rejection) -> Self {
        Self::new(rejection.code(), rejection.to_string(), rejection.remedy())
    }
}

impl From<&EngineError> for Refusal {
    fn from(error: &EngineError) -> Self {
        Self::new(error.code(), error.to_string(), error.remedy())
    }
}
