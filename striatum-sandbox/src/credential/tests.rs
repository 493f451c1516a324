use std::fs;

use super::*;

fn command(script: &str) -> CredentialSource {
    CredentialSource::Command(["sh", "-c", script].map(str::to_owned).to_vec())
}

fn revealed(secret: &SecretString) -> &str {
    secret.expose_secret()
}

#[tokio::test]
async fn a_credential_is_read_from_each_kind_of_place_without_what_surrounds_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    fs::write(&file, "\n  sk-of-a-file \n").expect("a file");
    // Cargo sets it for every test.
    let variable = CredentialSource::Env("CARGO_PKG_NAME".to_owned());
    for (source, expected) in [
        (variable, "striatum-sandbox"),
        (CredentialSource::File(file), "sk-of-a-file"),
        (command("echo sk-of-a-command; echo noise >&2"), "sk-of-a-command"),
    ] {
        let secret = source.read().await.expect("it is there");
        assert_eq!(revealed(&secret), expected, "{source}");
    }
}

#[tokio::test]
async fn what_is_no_credential_is_an_error_that_says_how_to_mend_it_and_repeats_nothing() {
    use CredentialErrorKind as Kind;

    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        CredentialSource::File(path)
    };
    let long = "x".repeat(MOST_BYTES + 1);
    for (source, kind) in [
        (CredentialSource::Env("STRIATUM_NOBODY_SETS_THIS".to_owned()), Kind::Missing),
        (CredentialSource::File(folder.path().join("gone")), Kind::Missing),
        (CredentialSource::File(folder.path().to_owned()), Kind::Unreadable),
        (file("empty", " \n"), Kind::Empty),
        (file("two words", "KEY hunter2"), Kind::Malformed),
        (file("two lines", "hunter2\nhunter2"), Kind::Malformed),
        (file("long", &long), Kind::Malformed),
        (command("true"), Kind::Empty),
        (command("echo hunter2; echo hunter2 >&2; exit 3"), Kind::CommandFailed),
        (command("yes hunter2"), Kind::CommandFailed),
        (CredentialSource::Command(vec!["/nowhere/striatum-no-program".to_owned()]), Kind::CommandFailed),
        (CredentialSource::Command(Vec::new()), Kind::CommandFailed),
    ] {
        let error = source.read().await.expect_err("it is no credential");
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.remedy.is_some(), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_credential_is_kept_until_it_is_refused_and_sources_without_a_better_one_are_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, reads) = (folder.path().join("key"), folder.path().join("reads"));
    fs::write(&file, "first").expect("a file");
    let script = format!("echo x >> {}; cat {}", reads.display(), file.display());
    let times = || fs::read_to_string(&reads).map_or(0, |text| text.lines().count());
    let credential = Credential::new(command(&script));

    let first = credential.get().await.expect("it is there");
    fs::write(&file, "second").expect("a file");
    assert_eq!((revealed(&credential.get().await.expect("it is kept")), times()), ("first", 1));

    let second = credential.other_than(&first).await.expect("it can be read").expect("there is another");
    assert_eq!((revealed(&second), times()), ("second", 2));
    // Who was refused with the first meanwhile has no need to read it again.
    let again = credential.other_than(&first).await.expect("it is kept").expect("there is another");
    assert_eq!((revealed(&again), times()), ("second", 2));

    assert!(credential.other_than(&second).await.expect("it can be read").is_none());
    assert!(credential.other_than(&second).await.expect("it is left alone").is_none());
    assert_eq!(times(), 3);
    assert!(!format!("{credential:?}").contains("second"));
}

#[tokio::test]
async fn a_credential_that_expires_is_read_again_in_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    fs::write(&file, "first").expect("a file");
    let credential = Credential::kept_for(CredentialSource::File(file.clone()), Duration::ZERO);
    assert_eq!(revealed(&credential.get().await.expect("it is there")), "first");
    fs::write(&file, "second").expect("a file");
    assert_eq!(revealed(&credential.get().await.expect("it is there")), "second");
}

#[test]
fn sources_can_stand_in_settings() {
    for (text, source) in [
        (r#"{"env": "KEY"}"#, CredentialSource::Env("KEY".to_owned())),
        (r#"{"file": "/run/key"}"#, CredentialSource::File("/run/key".into())),
        (
            r#"{"command": ["pass", "show"]}"#,
            CredentialSource::Command(vec!["pass".to_owned(), "show".to_owned()]),
        ),
    ] {
        assert_eq!(serde_json::from_str::<CredentialSource>(text).expect("it is one"), source);
    }
}
