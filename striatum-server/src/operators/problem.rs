//! What an operator is told when something is not done: a code, a sentence, a way out.

use std::borrow::Cow;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use striatum_core::{
    engine::EngineError,
    run::Rejection,
    store::{BlobError, BlobErrorKind, StoreError, StoreErrorKind},
};

use crate::{Refusal, authority::Denied, boundary};

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $code:literal, $remedy:literal;)*) => {
        /// Why the interface itself refuses a request.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// Every code with its remedy, as `docs/errors.md` lists them.
            pub const CODES: &'static [(&'static str, &'static str)] = &[$(($code, $remedy),)*];

            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What to do next.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }

            /// The status of the HTTP answer.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

refusals! {
    /// The token does not have the capability that this needs.
    CapabilityMissing = 403, "capability_missing",
        "use a token that has the capability, or ask whoever issues tokens for one";
    /// The request is not built as the OpenAPI document says.
    Invalid = 400, "request_invalid",
        "correct what the message names; /v1/openapi.json says how requests are built";
    /// The body is larger than is taken.
    TooLarge = 413, "body_too_large",
        "send less at once; texts and artifacts have their own bounds";
    /// There is nothing at this path.
    NotFound = 404, "route_unknown",
        "see /v1/openapi.json for what there is";
    /// The path does not take this method.
    Method = 405, "method_unknown",
        "see /v1/openapi.json for what the path takes";
    /// The run does not name such bytes.
    BlobNotNamed = 404, "blob_not_named",
        "use a digest that the run's events or its snapshot name";
    /// The job declares no such artifact.
    ArtifactNotDeclared = 404, "artifact_not_declared",
        "use a name that the job declares for its present attempt";
    /// As many readers as are allowed follow the events already.
    TooManyReaders = 503, "too_many_readers",
        "close readers that are not needed, or try again later";
    /// What was asked for could not be written down, so it does not count as done.
    AuditUnavailable = 503, "audit_unavailable",
        "send the same request again under the same request_id; what was done is not done twice";
    /// No such repository is served, or not to this token.
    RepositoryUnknown = 404, "repository_unknown",
        "name a repository that the token is for; /v1/repositories lists them";
    /// A token that may do more than its issuer.
    TokenTooPowerful = 403, "token_too_powerful",
        "ask only for capabilities that the issuing token has itself";
    /// A defect of striatum.
    Defect = 500, "server_defect",
        "report this as a defect of striatum";
}

/// Why a request was not done: what the caller reads, and the status of the HTTP answer.
///
/// As JSON: `{"error":{"code":"run_paused","message":"the run is paused","remedy":"resume the run, then claim"}}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", refusal.sentence)]
pub struct Problem {
    status: u16,
    refusal: Refusal,
}

impl Problem {
    /// A refusal of the interface itself.
    pub fn new(fault: Fault, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::of(fault.status(), Refusal::new(fault.code(), sentence, fault.remedy()))
    }

    /// A refusal with the status of its HTTP answer: what an embedder's [`Repository`](super::Repository) answers with.
    pub const fn of(status: u16, refusal: Refusal) -> Self {
        Self { status, refusal }
    }

    /// What the caller reads.
    pub const fn refusal(&self) -> &Refusal {
        &self.refusal
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.refusal.code
    }

    /// The status of the HTTP answer.
    pub const fn status(&self) -> u16 {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        boundary::respond(status, &self.refusal)
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let status = if denied == Denied::OutOfScope { 403 } else { 401 };
        Self::of(status, denied.into())
    }
}

/// The failure with all its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        Self::from(&error)
    }
}

impl From<&EngineError> for Problem {
    fn from(error: &EngineError) -> Self {
        let status = match error {
            EngineError::NoSuchRun(_) => 404,
            EngineError::Rejected(Rejection::PrincipalRequired) => 403,
            EngineError::Rejected(
                Rejection::UnknownJob { .. }
                | Rejection::QuestionUnknown { .. }
                | Rejection::EscalationUnknown { .. },
            ) => 404,
            EngineError::Rejected(Rejection::Defect { .. }) => 500,
            EngineError::Rejected(_) | EngineError::GuardFailed | EngineError::Busy { .. } => 409,
            EngineError::Contended => 503,
            EngineError::Store(error) => of_store(error.kind()),
            EngineError::Blob(error) => of_blob(error.kind),
            _ => 500,
        };
        Self::of(status, Refusal::new(error.code(), chain(error), error.remedy()))
    }
}

const fn of_store(kind: StoreErrorKind) -> u16 {
    match kind {
        StoreErrorKind::Unavailable | StoreErrorKind::Unknown => 503,
        StoreErrorKind::HistoryChanged => 409,
        _ => 500,
    }
}

const fn of_blob(kind: BlobErrorKind) -> u16 {
    match kind {
        BlobErrorKind::NotFound => 404,
        BlobErrorKind::Unavailable => 503,
        _ => 500,
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        EngineError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_to_do_in_json() {
        let problem = Problem::from(EngineError::Rejected(Rejection::Paused));
        assert_eq!(problem.status(), 409);
        let expected = serde_json::json!({"error": {
            "code": "run_paused", "message": "the run is paused", "remedy": "resume the run, then claim",
        }});
        assert_eq!(problem.refusal().to_json(), expected);
    }
}
