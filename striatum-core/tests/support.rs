//! What tests need from the host: files.
#![allow(clippy::disallowed_methods, reason = "tests read fixtures and documents")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file of this repository.
pub(crate) fn repository_file(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The names of the files in a folder of this repository.
pub(crate) fn repository_folder(path: &str) -> Vec<String> {
    names(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path))
}

/// The names of the files in a folder, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A folder of public workflow documents that may lie beside the repository; without it the test is skipped.
pub(crate) fn public_workflows(test: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/workflows");
    if folder.is_dir() {
        return Some(folder);
    }
    striatum_testkit::skip(test, "the public workflow documents are not beside the repository");
    None
}

/// A file of that folder.
pub(crate) fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
