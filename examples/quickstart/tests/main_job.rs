//! The main job, without anything in its way.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use striatum::core::{run::Event, sandbox::Level};

use crate::{
    history::History,
    place::{Place, files, git, run, start, until},
};

#[test]
fn a_reviewed_change_is_delivered_and_the_next_run_begins_beside_it() {
    let place = Place::new();
    let first = run(place.quickstart(&[])).expect_code(0);
    for line in [
        "confirmed branch striatum/greeting for the result",
        "review_change    verdict: needs_revision",
        "draft_change     sent back",
        "├─ draft_change: completed",
        "│    attempt 2, grant 2: accept after ",
        "└─ apply_change: completed",
        "events verified from",
        "what to try next",
    ] {
        assert!(first.out.contains(line), "{line:?} is missing in {}", first.out);
    }
    let before = History::read(&place.data());
    place.assert_tidy(&place.demo(), "first run");

    let second = run(place.quickstart(&[])).expect_code(0);
    assert!(second.out.contains("delivered on striatum/greeting-2 at"), "{}", second.out);
    assert_ne!(first.run(), second.run());
    let after = History::read(&place.data());
    assert_eq!(after.events[..before.events.len()], before.events[..]);
    assert_eq!(after.count("run.delivered"), 2);
    let script = git(&place.demo(), &["show", "striatum/greeting-2:bin/greet.sh"]);
    assert!(script.contains("${1:-world}"), "{script}");
    place.assert_tidy(&place.demo(), "second run");
}

/// The demonstration behind the strongest walls of this host, and what the person is told of them.
#[test]
fn agents_stand_behind_the_walls_that_the_program_names() {
    let test = "agents_stand_behind_the_walls_that_the_program_names";
    delivers_behind(test, "namespaces", "walls: namespaces (bubblewrap ");
}

#[test]
fn agents_work_in_containers_that_the_program_names() {
    let test = "agents_work_in_containers_that_the_program_names";
    delivers_behind(test, "container", "walls: container (podman ");
}

#[test]
fn agents_work_in_machines_that_the_program_names() {
    delivers_behind("agents_work_in_machines_that_the_program_names", "microvm", "walls: microvm (qemu ");
}

fn delivers_behind(test: &str, walls: &str, named: &str) {
    let place = Place::new();
    let said = run(place.quickstart(&["--sandbox", walls]));
    if said.err.contains("error[sandbox_unavailable]") {
        assert!(said.err.contains("what to do: "), "{}", said.err);
        let reason = said.err.lines().next().unwrap_or_default();
        return striatum_testkit::skip(test, reason);
    }
    let said = said.expect_code(0);
    assert!(said.out.starts_with(named), "{}", said.out);
    assert!(said.out.contains("network enforced"), "{}", said.out);
    let history = History::read(&place.data());
    assert_eq!(history.count("job.claimed"), 5);
    for (_, event) in &history.events {
        if let Event::JobClaimed(claim) = event {
            assert_eq!(claim.isolation.network, Level::Enforced, "{claim:?}");
            assert_eq!(claim.isolation.file_system, Level::Enforced, "{claim:?}");
        }
    }
    place.assert_tidy(&place.demo(), "behind walls");
}

/// The share of the processors that the command line names is what the kernel holds the agent to.
#[test]
fn an_agent_has_the_share_of_the_processors_that_is_named() {
    let test = "an_agent_has_the_share_of_the_processors_that_is_named";
    let place = Place::new();
    let agent = place.path("agent.sh");
    // It waits for as long as it is looked at.
    fs::write(&agent, "#!/bin/sh\nmkdir -p proposals\nmkfifo proposals/go\ncat proposals/go\nexit 1\n")
        .unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = place.quickstart(&["--sandbox", "namespaces", "--processors", "0.123"]);
    command.arg("--workflow").arg(place.one_attempt()).arg("--author-command").arg(&agent);
    let running = start(&mut command);
    let found = || files(&place.data()).into_iter().find(|file| file.ends_with("proposals/go"));
    until("the agent waits, or there are no walls", || found().is_some() || running.has_ended());
    let held = files(&place.data()).iter().filter_map(|file| quota(file)).next();
    let go = found();
    if let Some(go) = &go {
        fs::write(go, "").unwrap();
    }
    let said = running.end();
    if !said.out.lines().next().is_some_and(|line| line.contains("bounded: ") && line.contains("processors"))
    {
        return striatum_testkit::skip(test, "this host gives no control group for processors");
    }
    assert_eq!(held.as_deref(), Some("12300 of 100000"), "{said:?}");
}

/// What the process on record in this file is held to, in microseconds.
fn quota(record: &Path) -> Option<String> {
    record.file_name().filter(|name| *name == "process")?;
    let record: serde_json::Value = serde_json::from_slice(&fs::read(record).ok()?).ok()?;
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", record["pid"])).ok()?;
    groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let read = |folder: &str, file: &str| {
            let text = fs::read_to_string(format!("/sys/fs/cgroup/{folder}{path}/{file}")).ok()?;
            Some(text.trim().to_owned())
        };
        let separate = || {
            Some(format!(
                "{} {}",
                read(controllers, "cpu.cfs_quota_us")?,
                read(controllers, "cpu.cfs_period_us")?
            ))
        };
        let quota =
            ["", "unified"].into_iter().find_map(|folder| read(folder, "cpu.max")).or_else(separate)?;
        quota
            .split_once(' ')
            .filter(|(most, _)| *most != "max" && *most != "-1")
            .map(|(most, of)| format!("{most} of {of}"))
    })
}

#[test]
fn walls_that_are_not_to_be_had_are_never_replaced_by_less() {
    let place = Place::new();
    let mut command = place.quickstart(&["--sandbox", "namespaces"]);
    // Git is there and bubblewrap is not.
    let programs = place.path("programs");
    fs::create_dir(&programs).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let git = std::env::split_paths(&path).map(|folder| folder.join("git")).find(|git| git.is_file());
    std::os::unix::fs::symlink(git.unwrap(), programs.join("git")).unwrap();
    command.env("PATH", &programs);
    run(command).expect_error("sandbox_unavailable", &["bubblewrap", "apt-get install bubblewrap"]);
    let mut unasked = place.quickstart(&[]);
    unasked.env("PATH", &programs).env_remove("STRIATUM_SANDBOX");
    let said = run(unasked);
    assert!(
        said.out.starts_with(
            "walls: none: agents can do whatever you can; what they ask leave for is granted if"
        ),
        "{said:?}"
    );
    assert!(said.out.contains("apt-get install bubblewrap"), "{}", said.out);
}

/// An agent finds a repository in its tree, with walls and without. It has the history, and neither remotes nor branches of the
/// person's; what it commits is delivered with what it said.
#[test]
fn what_agents_commit_is_delivered_with_their_messages() {
    for sandbox in ["none", "namespaces"] {
        let place = Place::new();
        let program = env!("CARGO_BIN_EXE_quickstart");
        let author = place.path("author.sh");
        let script = format!(
            "#!/bin/sh\nset -e\n[ -z \"$(git remote)\" ]\n[ \"$(git branch --all | wc -l)\" = 1 ]\n\
             git log --format=%s | grep -q .\n'{program}' agent author\ngit add -A\n\
             git diff --cached --quiet || git commit -q -m \"By $STRIATUM_JOB in attempt $STRIATUM_ATTEMPT\"\n"
        );
        fs::write(&author, script).unwrap();
        fs::set_permissions(&author, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = place.quickstart(&["--sandbox", sandbox, "--mount", program]);
        command.arg("--author-command").arg(&author);
        let said = run(command);
        if said.err.contains("error[sandbox_unavailable]") {
            let reason = said.err.lines().next().unwrap_or_default();
            return striatum_testkit::skip("what_agents_commit_is_delivered_with_their_messages", reason);
        }
        said.expect_code(0);
        let log = git(&place.demo(), &["log", "--format=%s by %an", "striatum/greeting"]);
        for attempt in [1, 2] {
            let message = format!("By draft_change in attempt {attempt} by agent of draft_change");
            assert!(log.contains(&message), "{sandbox}: {log}");
        }
        git(&place.demo(), &["fsck", "--strict"]);
        place.assert_tidy(&place.demo(), sandbox);
    }
}
