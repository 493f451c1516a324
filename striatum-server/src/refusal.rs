//! What is said to somebody whose request was refused.

use std::{borrow::Cow, fmt};

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
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// As programs read it: `{"error":{"code":…,"message":…,"remedy":…}}`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let Self { code, sentence, remedy } = self;
        serde_json::json!({"error": {"code": code, "message": sentence, "remedy": remedy}})
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $remedy:literal;)*) => {
        /// The refusals that have their origin here, and not in the machine.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Refusal {
            /// Every code of this crate's own with its remedy, as `docs/errors.md` lists them.
            pub const CODES: &'static [(&'static str, &'static str)] = &[$(($code, $remedy),)*];
        }

        impl Code {
            /// A refusal with this code, because of this.
            pub(crate) fn because(self, sentence: impl Into<Cow<'static, str>>) -> Refusal {
                match self {
                    $(Self::$name => Refusal::new($code, sentence, $remedy),)*
                }
            }
        }
    };
}

codes! {
    /// The arguments of a tool are not what its schema asks for.
    ArgumentsInvalid = "arguments_invalid", "correct the arguments as the tool's schema says, and call again";
    /// A call has ended the grant before.
    WorkConcluded = "work_concluded", "stop now; nothing more is needed of you, and nothing more would count";
    /// The task names no such text.
    DocumentUnknown = "document_unknown", "read the packet as JSON and use a digest that it names";
    /// There is no question to answer.
    NothingAsked = "nothing_asked", "go on with your task; a session that pulls is told of questions by await_work";
    /// There is no tree.
    TreeMissing = "tree_missing", "publish the artifact again, and give its whole text";
    /// The session is not registered under this token.
    SessionUnknown = "session_unknown", "register a session, and use the id that you are given";
    /// The token has as many sessions as it may.
    SessionsFull = "sessions_full", "use one of your sessions, or wait until one has had nothing to do for ten minutes";
    /// The session waits for work already.
    SessionWaits = "session_waits", "wait for the answer to the call that is under way";
    /// The session holds no job.
    NoWork = "no_work", "call await_work";
    /// The request is for somebody else.
    HostUnknown = "host_unknown", "call this server by an address that it was given";
    /// The request is from a page that is not ours.
    OriginUnknown = "origin_unknown", "call from a program, or have the origin allowed";
    /// Nothing is shown.
    TokenMissing = "token_missing", "send the header `Authorization: Bearer` with your token";
    /// What is shown was not issued here.
    TokenInvalid = "token_invalid", "use the token that you were given, to the letter";
    /// What is shown was valid.
    TokenExpired = "token_expired", "ask for a new token";
    /// What is shown was valid, and would be.
    TokenRevoked = "token_revoked", "stop: what the token was for is over";
    /// What is shown is valid, and for something else.
    TokenScope = "token_scope", "use a token that was issued for this";
    /// The server contradicted itself.
    ServerDefect = "server_defect", "report this as a defect of striatum";
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

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::from(&rejection)
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::from(&error)
    }
}
