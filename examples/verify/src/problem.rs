//! Why nothing can be said about a store.

use std::{error::Error, path::Path};

use serde::Serialize;
use striatum_core::store::{StoreError, StoreErrorKind};

/// What stood in the way: a code, a sentence, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

impl Problem {
    pub(crate) fn new(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, message: message.into(), remedy: remedy.into() }
    }

    /// A store that refuses to be read.
    pub(crate) fn of_store(error: &StoreError) -> Self {
        let mut sentences: Vec<String> = Vec::new();
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(cause) = next {
            // A cause that only repeats what is said already is left out.
            let sentence = cause.to_string();
            if sentences.last() != Some(&sentence) {
                sentences.push(sentence);
            }
            next = cause.source();
        }
        Self::new(error.kind().code(), sentences.join(": "), remedy(error.kind()))
    }

    /// Looks at the file itself, of which the store could say less.
    pub(crate) fn of_path(path: &Path) -> Option<Self> {
        let shown = path.display();
        match std::fs::metadata(path) {
            Ok(file) if file.is_file() => None,
            Ok(_) => Some(Self::new(
                "not_a_file",
                format!("{shown} is not a file"),
                "name the store's file itself, not the folder that it lies in",
            )),
            Err(error) => Some(Self::new(
                "no_such_file",
                format!("cannot look at {shown}: {error}"),
                "check the path, and that you may read it",
            )),
        }
    }
}

fn remedy(kind: StoreErrorKind) -> &'static str {
    match kind {
        StoreErrorKind::Corrupt => {
            "check that this is the store's file; if it is, it is damaged: keep it, and restore a copy that verifies"
        }
        StoreErrorKind::Schema => {
            "check that this is the store's file, and verify it with the version of striatum that wrote it"
        }
        StoreErrorKind::Unavailable => {
            "try again when the program that holds the file lets go of it, or verify a copy"
        }
        other => other.remedy(),
    }
}
