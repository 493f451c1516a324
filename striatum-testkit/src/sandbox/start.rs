//! How a process is started, and what is refused.
#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a case fails by panicking"
)]

use std::fs;

use striatum_core::sandbox::{Exec, Exit, Isolation, Level, Mount, SandboxErrorKind};

use super::{
    SandboxFactory,
    place::{Place, exit, make_program, said, shell, soon, spawn},
};

/// See the name.
pub async fn a_program_runs_in_its_work_tree(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    assert_eq!(place.says("pwd; echo made >file").await, format!("{}\n", place.spec.tree.display()));
    assert_eq!(fs::read_to_string(place.in_tree("file")).expect("a file"), "made\n");
}

/// See the name.
pub async fn a_program_is_found_by_its_name(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    make_program(&place.in_tree("mine"), "#!/bin/sh\necho mine $1\n");
    let mut session = place.open().await;
    for (argv, expected) in
        [(["echo", "a b"], "a b\n"), (["/bin/echo", "$HOME"], "$HOME\n"), (["./mine", "'x'"], "mine 'x'\n")]
    {
        let mut process = spawn(session.as_mut(), &Exec::new(argv)).await;
        assert_eq!(said(&mut process).await, expected, "{argv:?}");
        assert_eq!(exit(&mut process).await, Exit::Code(0), "{argv:?}");
    }
    // A work tree cannot slip in a program by its name.
    let refused = soon(session.spawn(&Exec::new(["mine"]))).await.expect_err("it is not in PATH");
    assert_eq!(refused.kind, SandboxErrorKind::NotFound);
}

/// See the name.
pub async fn a_program_that_is_not_there_is_not_found(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    for program in ["no-such-program", "/no/such/program", "./no-such-program"] {
        let refused = soon(session.spawn(&Exec::new([program]))).await.expect_err("it is not there");
        assert_eq!(refused.kind, SandboxErrorKind::NotFound, "{program}");
        assert!(
            refused.to_string().contains("no-such") || refused.to_string().contains("/no/such"),
            "{refused}"
        );
    }
}

/// See the name.
pub async fn a_file_that_is_no_program_is_denied(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    fs::write(place.in_tree("text"), "text").expect("a file");
    fs::create_dir(place.in_tree("folder")).expect("a folder");
    let mut session = place.open().await;
    for program in ["./text", "./folder"] {
        let refused = soon(session.spawn(&Exec::new([program]))).await.expect_err("it is no program");
        assert_eq!(refused.kind, SandboxErrorKind::Denied, "{program}");
    }
}

/// See the name.
pub async fn an_exec_without_a_program_is_refused(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    let refused = soon(session.spawn(&Exec::default())).await.expect_err("there is nothing to start");
    assert_eq!(refused.kind, SandboxErrorKind::NotFound);
    let refused = soon(session.spawn(&Exec::new([""]))).await.expect_err("there is nothing to start");
    assert_eq!(refused.kind, SandboxErrorKind::NotFound);
}

/// See the name.
pub async fn a_demand_beyond_the_offer_is_refused_by_name(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    let offered = place.sandbox().offers();
    for (dimension, level) in offered.dimensions() {
        let all = Isolation::uniform(Level::Unsupported);
        let demanded = match dimension {
            "file_system" => Isolation { file_system: Level::Enforced, ..all },
            "network" => Isolation { network: Level::Enforced, ..all },
            "processes" => Isolation { processes: Level::Enforced, ..all },
            "system_calls" => Isolation { system_calls: Level::Enforced, ..all },
            "resources" => Isolation { resources: Level::Enforced, ..all },
            "credentials" => Isolation { credentials: Level::Enforced, ..all },
            other => panic!("the suite does not know {other}"),
        };
        place.spec.demands = demanded;
        if level == Level::Enforced {
            continue;
        }
        let refused = place.refused().await;
        assert_eq!(refused.kind, SandboxErrorKind::Unsupported, "{dimension}");
        let text = refused.to_string();
        for word in [dimension, "enforced", &level.to_string()] {
            assert!(text.contains(word), "{word:?} is missing in {text:?}");
        }
        assert!(refused.remedy.is_some(), "{text:?} does not say what to do");
    }
    place.spec.demands = offered;
    soon(place.open().await.close()).await.expect("what is offered may be demanded");
}

/// See the name.
pub async fn a_folder_serves_one_session(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    soon(place.open().await.close()).await.expect("nothing to end");
    place.refused().await;
}

/// See the name.
pub async fn what_is_mounted_can_be_read(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    let (folder, file) = (place.beside("a folder"), place.beside("packet.json"));
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("text"), "one").expect("a file");
    fs::write(&file, "two").expect("a file");
    place.spec.mounts = vec![Mount::read(&folder), Mount::read(&file)];
    let mut session = place.open().await;
    let exec = Exec::new(["cat".into(), folder.join("text").into_os_string(), file.into_os_string()]);
    let mut process = spawn(session.as_mut(), &exec).await;
    assert_eq!(said(&mut process).await, "onetwo");
}

/// See the name.
pub async fn what_is_mounted_to_be_written_can_be_changed(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    let folder = place.beside("out");
    fs::create_dir(&folder).expect("a folder");
    place.spec.mounts = vec![Mount::write(&folder)];
    let mut session = place.open().await;
    let mut exec = shell("echo draft >\"$1/.new\" && mv \"$1/.new\" \"$1/report\"");
    exec.argv.extend(["sh".into(), folder.clone().into_os_string()]);
    let mut process = spawn(session.as_mut(), &exec).await;
    assert_eq!(exit(&mut process).await, Exit::Code(0));
    assert_eq!(fs::read_to_string(folder.join("report")).expect("a file"), "draft\n");
}
