use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use striatum_core::{
    id::SessionId,
    sandbox::{Exit, Reaped, Sandbox, SandboxSpec},
};
use striatum_sandbox::process::{ProcessRecord, is_alive};

use crate::support::{LONG, Place, exit, line, note, sandbox, shell, soon, spec_in, stdin, stdout, until};

const ROOT: &str = "STRIATUM_TEST_ROOT";
const SESSION: &str = "STRIATUM_TEST_SESSION";
const SCRIPT: &str = "STRIATUM_TEST_SCRIPT";
const GRACE: &str = "STRIATUM_TEST_GRACE_MS";
#[cfg(target_os = "linux")]
const WALLS: &str = "STRIATUM_TEST_WALLS";

/// The program that dies: the tests below run it as a process of its own. Run without their variables it has no part to play.
#[expect(clippy::print_stdout, reason = "how it tells the test that runs it")]
#[tokio::test]
async fn host() {
    if std::env::var_os(ROOT).is_none() {
        return;
    }
    let variable = |name| std::env::var(name).expect("set by the test that runs this");
    let session: SessionId = variable(SESSION).parse().expect("an identity");
    let mut spec = spec_in(Path::new(&variable(ROOT)), session);
    spec.limits.grace = Duration::from_millis(variable(GRACE).parse().expect("a number"));
    #[cfg(target_os = "linux")]
    if std::env::var(WALLS).is_ok_and(|walls| walls == "container") {
        let containers = crate::support::containers_with("reaping::host", |builder| builder).await;
        println!("probed");
        return go_on(&containers.expect("the test has asked before"), &spec, &variable(SCRIPT)).await;
    }
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    if std::env::var(WALLS).is_ok_and(|walls| walls == "microvm") {
        let machines = crate::support::machines_with("reaping::host", |builder| builder).await;
        println!("probed");
        return go_on(&machines.expect("the test has asked before"), &spec, &variable(SCRIPT)).await;
    }
    #[cfg(target_os = "linux")]
    if std::env::var_os(WALLS).is_some() {
        let walls = crate::support::walls("reaping::host").await.expect("the test has asked before");
        println!("probed");
        return go_on(&walls, &spec, &variable(SCRIPT)).await;
    }
    go_on(&sandbox(), &spec, &variable(SCRIPT)).await;
}

#[expect(clippy::print_stdout, reason = "how it tells the test that runs it")]
async fn go_on(sandbox: &dyn Sandbox, spec: &SandboxSpec, script: &str) {
    let mut session = sandbox.open(spec).await.expect("a session");
    let mut process = session.spawn(&shell(script)).await.expect("it starts");
    let _input = stdin(&mut process);
    println!("agent {}", line(&mut stdout(&mut process)).await);
    std::future::pending::<()>().await;
}

/// Whatever carries this mark in its environment, by its number; but for what an ordinary user's podman keeps its own namespace open
/// with, which does nothing and waits for the next start.
#[cfg(target_os = "linux")]
fn marked(session: SessionId) -> Vec<String> {
    let mark = format!("STRIATUM_SESSION={session}");
    let numbers = std::fs::read_dir("/proc").expect("a table").flatten().map(|entry| entry.path());
    let carries = |path: &std::path::PathBuf| {
        let environ = std::fs::read(path.join("environ")).unwrap_or_default();
        let called = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        called != "catatonit\n" && environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    numbers.filter(carries).map(|path| path.display().to_string()).collect()
}

/// Twenty moments between the start of the probe and an agent at work with children and a daemon.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn nothing_behind_walls_outlives_its_host_whenever_that_is_killed() {
    let name = "nothing_behind_walls_outlives_its_host_whenever_that_is_killed";
    let Some(walls) = crate::support::walls(name).await else { return };
    killed(&walls, "namespaces", in_turns(4)).await;
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_behind_walls_outlives_the_host_of_an_ordinary_user() {
    if rustix::process::geteuid().is_root() {
        let name = "nothing_behind_walls_outlives_the_host_of_an_ordinary_user";
        let test = "reaping::nothing_behind_walls_outlives_its_host_whenever_that_is_killed";
        crate::support::as_an_ordinary_user(name, 1, test);
    }
}

/// The same with containers, whose engine takes its time.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_containers_outlive_their_host_whenever_that_is_killed() {
    let name = "no_containers_outlive_their_host_whenever_that_is_killed";
    let Some(containers) = crate::support::containers_with(name, |builder| builder).await else { return };
    killed(&containers, "container", in_turns(40)).await;
}

/// The same with a machine. Most of the moments are in the boot for the probe, to reach which takes no time; the others while it boots
/// for the agent, and with the agent at work.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test]
async fn no_machines_outlive_their_host_whenever_that_is_killed() {
    let name = "no_machines_outlive_their_host_whenever_that_is_killed";
    if crate::support::is_for_another_day(name).await {
        return;
    }
    let Some(machines) = crate::support::machines_with(name, |builder| builder).await else { return };
    let moments = |landmark, count: u64, step: u64| {
        (0..count).map(move |moment| (landmark, Duration::from_millis(moment * step)))
    };
    let moments = moments(BEGUN, 15, 90).chain(moments(PROBED, 4, 300)).chain(moments(AT_WORK, 1, 0));
    killed(&machines, "microvm", moments).await;
}

/// What a host says before its probe, before the session, and when its agent is at work.
#[cfg(target_os = "linux")]
const BEGUN: &str = "running 1 test";
#[cfg(target_os = "linux")]
const PROBED: &str = "probed";
#[cfg(target_os = "linux")]
const AT_WORK: &str = "agent ";

/// Twenty moments, a third after each of these. The pauses, in milliseconds, wait for nothing: they spread the moments.
#[cfg(target_os = "linux")]
fn in_turns(step: u64) -> impl Iterator<Item = (&'static str, Duration)> {
    let landmarks = [BEGUN, PROBED, AT_WORK].into_iter().cycle();
    landmarks.zip((0..20).map(move |moment| Duration::from_millis(moment * step)))
}

/// Kills a host at each of these moments after what it says.
#[cfg(target_os = "linux")]
async fn killed(
    walls: &dyn Sandbox,
    kind: &str,
    moments: impl IntoIterator<Item = (&'static str, Duration)>,
) {
    let restless = "trap '' TERM; setsid sleep 1000 & sleep 1000 & echo $$; while :; do sleep 1000; done";
    for (moment, (landmark, pause)) in moments.into_iter().enumerate() {
        let place = Place::new();
        let mut host = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "reaping::host", "--nocapture"])
            .envs([(ROOT, place.path().to_str().expect("text")), (SCRIPT, restless), (WALLS, kind)])
            .env(GRACE, "50")
            .env("TMPDIR", place.path())
            .env(SESSION, place.spec.fence.session.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(host.stdout.take().expect("an output")).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.starts_with(landmark)), "{landmark}");
        std::thread::sleep(pause);
        host.kill().expect("it is ours");
        host.wait().expect("it ended");
        if landmark == AT_WORK {
            // Whatever the agent ignores, and whatever it has started.
            until("all that was behind walls ends", || marked(place.spec.fence.session).is_empty());
        }
        // Bubblewrap leaves a process that waits for ever if it is killed while it makes the namespaces: the next start ends that.
        let reaped = soon(walls.reap(&place.spec.folder)).await.expect("nothing is left");
        assert_eq!(reaped.outcome, None, "moment {moment}");
        let waiting = usize::from(kind == "container");
        assert!(reaped.killed <= waiting || landmark != AT_WORK, "moment {moment}: {reaped:?}");
        assert_eq!(marked(place.spec.fence.session), [""; 0], "moment {moment}");
        // The next probe does this with what is old enough.
        for entry in std::fs::read_dir(place.path()).expect("a folder").flatten() {
            if entry.file_name().to_string_lossy().starts_with("striatum-probe-") {
                soon(walls.reap(&entry.path().join("session"))).await.expect("nothing is left");
            }
        }
        let run = format!("/tmp/striatum-{}", place.spec.fence.session);
        assert!(!Path::new(&run).exists(), "moment {moment}: {run} is left");
        assert!(!place.record("initramfs").exists(), "moment {moment}: what a machine began with is left");
        let groups = groups_of(Path::new("/sys/fs/cgroup"), place.spec.fence.session);
        assert_eq!(groups, [""; 0], "moment {moment}: control groups are left");
        let mounts = std::fs::read_to_string("/proc/self/mounts").expect("a table");
        assert!(!mounts.contains(&place.path().display().to_string()), "a mount is left: {mounts}");
    }
}

/// Control groups that a session has.
#[cfg(target_os = "linux")]
fn groups_of(folder: &Path, session: SessionId) -> Vec<String> {
    let mark = format!("striatum-{session}");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let found = folders.flat_map(|entry| {
        let is_ours = entry.file_name().to_string_lossy().starts_with(&mark);
        let own = is_ours.then(|| entry.path().display().to_string());
        own.into_iter().chain(groups_of(&entry.path(), session))
    });
    found.collect()
}

/// Runs a host whose agent runs `script`, and kills the host once the agent has said its number.
fn orphan(place: &Place, script: &str) -> ProcessRecord {
    let mut host = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "reaping::host", "--nocapture"])
        .envs([(ROOT, place.path().to_str().expect("text")), (SCRIPT, script)])
        .env(GRACE, place.spec.limits.grace.as_millis().to_string())
        .env(SESSION, place.spec.fence.session.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(host.stdout.take().expect("an output")).lines();
    let agent = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once("agent ").map(|(_, pid)| note(pid)))
        .expect("the agent says its number");
    host.kill().expect("it is ours");
    host.wait().expect("it ended");
    agent
}

#[tokio::test]
async fn an_agent_whose_host_died_is_found_and_ended() {
    let place = Place::new();
    let agent = orphan(&place, "trap '' PIPE; echo $$; while :; do sleep 1000; done");
    let leader = place.leader();
    assert!(is_alive(&agent) && is_alive(&leader));
    let reaped = soon(sandbox().reap(&place.spec.folder)).await.expect("it ends");
    assert_eq!(reaped.outcome, None);
    assert!(reaped.killed >= 2, "the wrapper and the agent at least: {reaped:?}");
    assert!(!is_alive(&agent) && !is_alive(&leader));
    let again = soon(sandbox().reap(&place.spec.folder)).await.expect("nothing is left");
    assert_eq!(again, Reaped { killed: 0, outcome: None });
}

#[tokio::test]
async fn an_agent_that_hides_its_session_and_will_not_end_is_killed_with_what_it_starts_meanwhile() {
    let mut place = Place::new();
    place.spec.limits.grace = Duration::from_millis(100);
    let restless = "trap '' TERM; echo $$; while :; do sleep 1000 & wait; done";
    let agent = orphan(&place, &format!("exec env -i /bin/sh -c '{}'", restless.replace('\'', "'\\''")));
    let reaped = soon(sandbox().reap(&place.spec.folder)).await.expect("it ends");
    assert_eq!(reaped.outcome, None);
    assert!(!is_alive(&agent) && !is_alive(&place.leader()));
}

#[tokio::test]
async fn an_agent_that_is_done_after_its_host_died_has_an_outcome() {
    let place = Place::new();
    orphan(&place, "echo $$; cat >/dev/null; exit 7");
    until("the outcome is written", || place.outcome().is_some());
    until("the wrapper ends", || !is_alive(&place.leader()));
    for _ in 0..2 {
        let reaped = soon(sandbox().reap(&place.spec.folder)).await.expect("nothing is left");
        assert_eq!(reaped, Reaped { killed: 0, outcome: Some(Exit::Code(7)) });
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_daemon_whose_group_is_gone_is_found_and_ended() {
    let mut place = Place::new();
    // The daemon speaks after its parent's end, and the host shall still listen.
    place.spec.limits.grace = LONG;
    let daemon = orphan(&place, "exec setsid --fork sh -c 'echo $$; exec sleep 1000'");
    until("the outcome is written", || place.outcome().is_some());
    until("the wrapper ends", || !is_alive(&place.leader()));
    assert!(is_alive(&daemon));
    let reaped = soon(sandbox().reap(&place.spec.folder)).await.expect("it ends");
    assert_eq!(reaped, Reaped { killed: 1, outcome: Some(Exit::Code(0)) });
    assert!(!is_alive(&daemon));
}

#[tokio::test]
async fn a_number_that_went_to_another_process_is_left_alone() {
    let (place, other) = (Place::new(), Place::new());
    let mut session = place.open().await;
    let mut bystander = session.spawn(&shell("read line; exit 8")).await.expect("it starts");
    let record = place.leader();
    let stale = [
        ProcessRecord { start: "1".to_owned(), ..record.clone() },
        ProcessRecord { boot: "another".to_owned(), ..record.clone() },
    ];
    for (number, record) in stale.into_iter().enumerate() {
        assert!(!is_alive(&record));
        let bytes = serde_json::to_vec(&record).expect("a record");
        std::fs::write(other.record(&format!("process.{number}")), bytes).expect("a record");
    }
    // Numbers that mean a group, everybody, or nobody at all.
    for pid in [0, 1, u32::MAX] {
        let bytes = serde_json::to_vec(&ProcessRecord { pid, ..record.clone() }).expect("a record");
        std::fs::write(other.record(&format!("process.x{pid}")), bytes).expect("a record");
    }
    let reaped = soon(sandbox().reap(&other.spec.folder)).await.expect("nothing is left");
    assert_eq!(reaped, Reaped { killed: 0, outcome: None });
    assert!(is_alive(&record));
    drop(stdin(&mut bystander));
    assert_eq!(exit(&mut bystander).await, Exit::Code(8));
}

#[tokio::test]
async fn records_that_make_no_sense_are_passed_over() {
    let place = Place::new();
    for name in ["process", "process.2", "session", "outcome"] {
        std::fs::write(place.record(name), if name == "outcome" { "" } else { "{\"pid\":" })
            .expect("a record");
    }
    let reaped = soon(sandbox().reap(&place.spec.folder)).await.expect("nothing is left");
    assert_eq!(reaped, Reaped { killed: 0, outcome: None });
}

#[tokio::test]
async fn a_folder_that_is_not_there_leaves_nothing_to_reap() {
    let place = Place::new();
    let reaped = sandbox().reap(&place.path().join("gone")).await.expect("nothing is left");
    assert_eq!(reaped, Reaped { killed: 0, outcome: None });
}

#[tokio::test]
async fn nothing_starts_in_a_session_that_was_reaped() {
    let mut place = Place::new();
    place.spec.limits.grace = LONG;
    let mut session = place.open().await;
    soon(sandbox().reap(&place.spec.folder)).await.expect("nothing is left");
    let refused = session.spawn(&shell("touch started")).await.expect_err("it is closed");
    let cause = std::error::Error::source(&refused).expect("a cause").to_string();
    assert_eq!(cause, "the session is closed");
    assert!(!place.spec.tree.join("started").exists());
}
