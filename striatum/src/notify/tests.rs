//! Commands that do not do what they are for.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    time::Duration,
};

use tokio::{sync::oneshot, task, time};

use super::*;

fn call() -> Call {
    Call {
        id: CommandId::from_bytes([1; 16]),
        run: RunId::from_bytes([2; 16]),
        workflow: WorkflowId::new("greeting").expect("a name"),
        subject: Subject::Question { number: 1, job: JobId::new("draft").expect("a name") },
        code: "question",
        message: "a job asks".to_owned(),
        remedy: "answer it",
        text: None,
    }
}

/// No longer than it takes to find out that something hangs.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    time::timeout(Duration::from_secs(60), what).await.expect("it comes")
}

#[tokio::test]
async fn a_command_that_hangs_is_given_up_after_a_minute_with_all_that_it_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    // The pipe is open in the command and in what it starts, and at its end once both are gone.
    let script = format!("exec 3> '{}'; sleep 3600 & echo up >&3; wait", pipe.display());
    let (up, is_up) = oneshot::channel();
    let open = task::spawn_blocking(move || {
        let mut pipe = BufReader::new(File::open(&pipe)?);
        pipe.read_line(&mut String::new())?;
        up.send(()).map_err(|()| io::Error::other("nobody waits"))?;
        pipe.read_to_end(&mut Vec::new())
    });
    let telling = tokio::spawn(async move { NotifyCommand::new(["sh", "-c", &script]).tell(&call()).await });
    soon(is_up).await.expect("it runs");
    time::pause();
    time::advance(PATIENCE).await;
    time::resume();
    let error = soon(telling).await.expect("it ends").expect_err("nobody was told");
    assert_eq!(error.to_string(), "cannot have sh tell somebody");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert_eq!(cause, "it did not end within 60 s");
    soon(open).await.expect("it is read").expect("to its end");
}

#[tokio::test]
async fn a_command_that_fails_or_is_none_tells_nobody() {
    for (command, words) in [
        (vec!["sh", "-c", "exit 3"], "cannot have sh tell somebody: exit status: 3"),
        (vec!["/nowhere/to-be-found"], "cannot run /nowhere/to-be-found"),
        (vec![], "cannot run an empty command"),
    ] {
        let error = NotifyCommand::new(command).tell(&call()).await.expect_err("nobody was told");
        assert_eq!(error.to_string(), words);
    }
}
