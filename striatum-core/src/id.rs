//! Names and identities: what a document, an engine or a fence refers to.
//!
//! Two families. **Names** are chosen by people and stand in workflow documents; they are short, printable and safe as a
//! component of a path or of a git reference. **Identities** are 128 random bits minted by the shell, so that nobody can
//! claim one by guessing or by choosing it. The core never mints an identity itself: chance comes in by argument.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is not a name: 1 to 128 of `A-Z a-z 0-9 . _ -`, beginning with a letter, a digit or `_`, without `..`,
    /// and not ending in `.` or `.lock`.
    #[error(
        "{0:?} is not a name (1 to 128 of A-Z a-z 0-9 . _ -, no leading . or -, no \"..\", no final \".\" or \".lock\")"
    )]
    Name(String),
    /// The text is not 32 lower-case hexadecimal digits.
    #[error("{0:?} is not an identity (32 lower-case hexadecimal digits)")]
    Identity(String),
    /// The text is not a git object id of 40 or 64 lower-case hexadecimal digits.
    #[error("{0:?} is not a commit id (40 or 64 lower-case hexadecimal digits)")]
    Commit(String),
}

fn is_name(text: &str) -> bool {
    let fits = (1..=128).contains(&text.len());
    let characters = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    fits && characters
        && !text.starts_with(['.', '-'])
        && !text.ends_with('.')
        && !text.ends_with(".lock")
        && !text.contains("..")
}

macro_rules! name {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text that is a name.
            ///
            /// # Errors
            /// [`IdError::Name`] if it is not.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                let text = text.as_ref();
                if is_name(text) { Ok(Self(text.into())) } else { Err(IdError::Name(text.to_owned())) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                crate::json::plain(&self.0, to)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                crate::text::deserialize(from)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    )*};
}

name! {
    /// Names a chain: the identity of a repository, or `audit`.
    ChainId;
    /// Names a workflow document.
    WorkflowId;
    /// Names a job within its workflow.
    JobId;
    /// Names a lane within its workflow.
    LaneId;
    /// Names a role within its workflow.
    RoleId;
    /// Names an artifact within its job.
    ArtifactName;
    /// Names a phase within its workflow.
    PhaseId;
    /// Names a group of jobs that may run at the same time, within its workflow.
    GroupId;
    /// Names a profile of a coding tool within its workflow.
    ProfileId;
}

macro_rules! identity {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Takes 128 bits, which the caller drew at random.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 128 bits.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// The first eight hexadecimal digits: enough for people and for branch names, never for safety.
            pub fn short(&self) -> String {
                let mut text = self.to_string();
                text.truncate(8);
                text
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                crate::hex::decode(text).map(Self).ok_or_else(|| IdError::Identity(text.to_owned()))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                crate::hex::serialize(&self.0, to)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                crate::hex::deserialize(from, Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                crate::hex::encode(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    )*};
}

identity! {
    /// One execution of one frozen workflow.
    RunId;
    /// One agent process, or person, registered for a run, a role and a lane.
    SessionId;
    /// One intent of a caller; a command repeated under it changes nothing.
    CommandId;
    /// One process of an engine.
    InstanceId;
}

/// Names a git commit: 40 or 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct CommitId(Arc<str>);

impl CommitId {
    /// Takes the full hexadecimal object id.
    ///
    /// # Errors
    /// [`IdError::Commit`] if the text is anything else.
    pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
        let text = text.as_ref();
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if digits && matches!(text.len(), 40 | 64) {
            Ok(Self(text.into()))
        } else {
            Err(IdError::Commit(text.to_owned()))
        }
    }

    /// The object id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CommitId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitId({})", self.0)
    }
}

/// Lease and fencing token in one: it proves that its bearer holds this job now.
///
/// Epochs grow with every grant of a job, and session ids are random, so an earlier holder can never match again.
///
/// ```
/// use striatum_core::id::{Fence, JobId, RunId, SessionId};
///
/// let fence = Fence {
///     run: RunId::from_bytes([1; 16]),
///     job: JobId::new("draft")?,
///     epoch: 2,
///     session: SessionId::from_bytes([7; 16]),
/// };
/// assert_eq!(fence.to_string(), "01010101/draft#2@07070707");
/// # Ok::<(), striatum_core::id::IdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// The run.
    pub run: RunId,
    /// The job that is held.
    pub job: JobId,
    /// The number of this grant among all grants of the job, from 1.
    pub epoch: u32,
    /// The holder.
    pub session: SessionId,
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}#{}@{}", self.run.short(), self.job, self.epoch, self.session.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_safe_in_a_path_and_in_a_git_reference() {
        for good in ["a", "draft_change", "rfc-0103.v2", "_x", "9"] {
            assert_eq!(JobId::new(good).map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "a/b", "a..b", "-a", ".a", "a.", "a.lock", "ä", "a b", "a\0", &"x".repeat(129)] {
            assert_eq!(JobId::new(bad), Err(IdError::Name(bad.to_owned())));
        }
    }

    #[test]
    fn an_identity_survives_its_text_and_nothing_else_passes() {
        let id = RunId::from_bytes([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "ab", &"AB".repeat(16), &"zz".repeat(16), &"ab".repeat(17)] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn deserialising_goes_through_the_constructor() {
        assert!(serde_json::from_str::<JobId>("\"../x\"").is_err());
        assert!(serde_json::from_str::<CommitId>("\"abc\"").is_err());
        assert!(serde_json::from_str::<SessionId>("\"abc\"").is_err());
    }
}
