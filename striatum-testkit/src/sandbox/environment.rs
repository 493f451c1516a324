//! What a process finds in its environment.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

use std::{collections::BTreeSet, ffi::OsString, os::unix::ffi::OsStringExt as _};

use futures_util::AsyncReadExt as _;
use striatum_core::sandbox::{EnvVar, Exec, SandboxErrorKind};

use super::{
    SandboxFactory,
    place::{Place, said, soon, spawn},
};

/// See the name.
pub async fn a_process_finds_what_was_named_and_nothing_else(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    place.spec.env = vec![EnvVar::new("OF_SESSION", "1"), EnvVar::new("OF_BOTH", "session")];
    let mut session = place.open().await;
    let env = vec![EnvVar::new("OF_EXEC", "2"), EnvVar::new("OF_BOTH", "exec")];
    let mut process = spawn(session.as_mut(), &Exec { env, ..Exec::new(["env"]) }).await;
    let said = said(&mut process).await;
    let names: BTreeSet<&str> = said.lines().filter_map(|line| line.split('=').next()).collect();
    let mut expected =
        BTreeSet::from(["PATH", "HOME", "TMPDIR", "STRIATUM_SESSION", "OF_SESSION", "OF_EXEC", "OF_BOTH"]);
    // Where `/bin/sh` is bash it cannot be kept from adding this.
    expected.extend(names.contains("_").then_some("_"));
    assert_eq!(names, expected);
    assert!(said.contains("OF_BOTH=exec\n"), "{said}");
}

/// See the name.
pub async fn what_the_sandbox_sets_cannot_be_set_by_others(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    for name in ["HOME", "PATH", "TMPDIR", "STRIATUM_SESSION", "a-b", ""] {
        let env = vec![EnvVar::new(name, "the value")];
        let refused = soon(session.spawn(&Exec { env, ..Exec::new(["true"]) })).await.expect_err(name);
        assert_eq!(refused.kind, SandboxErrorKind::Unsupported, "{name}");
        assert!(!refused.to_string().contains("the value"), "{refused}");
    }
    place.spec.env = vec![EnvVar::new("PATH", "/elsewhere")];
    place.spec.folder = place.beside("another");
    std::fs::create_dir(&place.spec.folder).expect("a folder");
    assert_eq!(place.refused().await.kind, SandboxErrorKind::Unsupported);
}

/// See the name.
pub async fn a_home_and_a_folder_for_temporary_files_can_be_written(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let script = "for folder in \"$HOME\" \"$TMPDIR\"; do echo x >\"$folder/x\"; cat \"$folder/x\"; done";
    assert_eq!(place.says(script).await, "x\nx\n");
}

/// See the name.
pub async fn a_variable_arrives_as_it_was_given(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    let value = OsString::from_vec(b"line\nquote ' \" $HOME `x` \xff end ".to_vec());
    let env = vec![EnvVar::new("ODD", value.clone())];
    let exec = Exec { env, ..Exec::new(["/bin/sh", "-c", "printf %s \"$ODD\""]) };
    let mut process = spawn(session.as_mut(), &exec).await;
    let mut bytes = Vec::new();
    let mut output = process.stdout.take().expect("an output");
    soon(output.read_to_end(&mut bytes)).await.expect("an output");
    assert_eq!(OsString::from_vec(bytes), value);
}
