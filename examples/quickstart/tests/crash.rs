//! The process dies at any moment: the same command goes on, nothing is done twice and nothing is lost.

use std::{fs, process::Command, sync::Mutex, thread};

use rustix::process::Signal;
use striatum::{core::run::LeaseCause, fault};

use crate::{
    history::History,
    place::{Place, git, run, start, until},
    site::{DILIGENT, Site},
};

/// How many drills run at once.
const AT_ONCE: usize = 4;

const SHORT: [&str; 3] = ["draft_change 1", "review_change 1", "apply_change 1"];
const LONG: [&str; 5] =
    ["draft_change 1", "review_change 1", "draft_change 2", "review_change 2", "apply_change 1"];

/// Points from which on the first agent has ended, so it is not run again.
fn is_after_the_agent(point: &str) -> bool {
    let place = |name: &str| fault::POINTS.iter().position(|point| *point == name);
    place(point) >= place("agent_ended")
}

fn shown((job, attempt): &(String, u32)) -> String {
    format!("{job} {attempt}")
}

/// Crashes at a point, goes on, and compares.
fn drill(point: &str, reviewer: &str, expected: &[&str]) {
    let place = Place::new();
    let mut crashing = place.marked("", reviewer);
    crashing.env("STRIATUM_CRASH_AT", point);
    let crashed = run(crashing);
    assert_eq!(crashed.signal, Some(Signal::ABORT.as_raw()), "{point}: {crashed:?}");
    let before = History::read(&place.data());

    let again = run(place.marked("", reviewer));
    assert_eq!(again.code, Some(0), "{point}: {again:?}");
    assert!(!again.out.contains("notice["), "{point}: {}", again.out);
    let after = History::read(&place.data());
    assert_eq!(after.events[..before.events.len()], before.events[..], "{point}");
    for kind in ["run.prepared", "run.started", "run.ended", "run.delivered"] {
        assert_eq!(after.count(kind), 1, "{point}: {kind}");
    }
    let (old, new) = (before.grants(), after.grants());
    for step in before.acknowledged() {
        assert_eq!(new[&step], old[&step], "{point}: {step:?} was acknowledged and granted again");
    }
    // What was held at the crash may have to be done once more: a tree is closed while the next agent is at work already. The
    // agent that had ended before the point is the exception.
    let (name, hit) = point.split_once(':').unwrap_or((point, "1"));
    let at = expected[hit.parse::<usize>().unwrap() - 1];
    let acknowledged = before.acknowledged();
    let mut held: Vec<String> = old.keys().filter(|step| !acknowledged.contains(step)).map(shown).collect();
    if is_after_the_agent(name) {
        held.retain(|step| step != at);
    }
    let extra = new.values().sum::<usize>() - expected.len();
    assert!(extra <= held.len(), "{point}: {extra} grants too many\n{}", again.out);

    let mut marks = place.marks();
    if is_after_the_agent(name) {
        assert_eq!(
            marks.iter().filter(|mark| *mark == at).count(),
            1,
            "{point}: the agent of {at} runs once"
        );
    }
    let begun = marks.len();
    marks.dedup();
    assert_eq!(marks, expected, "{point}");
    assert!(begun <= expected.len() + held.len(), "{point}: {begun} agents");
    git(&place.demo(), &["rev-parse", "--verify", "striatum/greeting"]);
    place.assert_tidy(&place.demo(), point);
}

fn drill_all(drills: &[(&str, &str, &[&str])]) {
    let left = Mutex::new(drills.iter());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some((point, reviewer, expected)) = next else { return };
                    drill(point, reviewer, expected);
                }
            });
        }
    });
}

#[test]
fn after_a_crash_at_any_point_the_same_command_goes_on() {
    let points = fault::POINTS.iter().filter(|point| !point.starts_with("fail."));
    let drills: Vec<_> = points.map(|point| (*point, "", &SHORT[..])).collect();
    assert!(drills.len() >= 12);
    drill_all(&drills);
}

#[test]
fn after_a_crash_in_a_later_round_the_same_command_goes_on() {
    let points =
        ["claim.after:3", "submit.before:2", "submit.after:4", "spawn.after:4", "tree_closed.before:5"];
    drill_all(&points.map(|point| (point, "--verdicts needs_revision,accept", &LONG[..])));
}

#[test]
fn after_a_crash_in_the_middle_of_recovery_the_same_command_goes_on() {
    for point in ["crash.before", "crash.after", "close_tree.before", "close_tree.after"] {
        let place = Place::new();
        for point in ["spawn.before", point] {
            let mut crashing = place.marked("", "");
            crashing.env("STRIATUM_CRASH_AT", point);
            let crashed = run(crashing);
            assert_eq!(crashed.signal, Some(Signal::ABORT.as_raw()), "{point}: {crashed:?}");
        }
        let again = run(place.marked("", ""));
        assert_eq!(again.code, Some(0), "{point}: {again:?}");
        let history = History::read(&place.data());
        // Its tree is closed while the next agent is at work already, which then has to begin once more.
        let extra = history.grants().values().sum::<usize>() - SHORT.len();
        assert!((1..=2).contains(&extra), "{point}: {extra} grants more");
        let mut marks = place.marks();
        marks.dedup();
        assert_eq!(marks, SHORT, "{point}");
        place.assert_tidy(&place.demo(), point);
    }
}

#[test]
fn after_a_crash_around_a_failure_the_attempt_fails_once() {
    for (point, runs) in [("fail.before", 2), ("fail.after", 1)] {
        let place = Place::new();
        // No second attempt, so no wait for it.
        let document = place.one_attempt();
        let command = || {
            let mut command = place.marked("--say going --exit 4", "");
            command.arg("--workflow").arg(&document);
            command
        };
        let mut crashing = command();
        crashing.env("STRIATUM_CRASH_AT", point);
        assert_eq!(run(crashing).signal, Some(Signal::ABORT.as_raw()), "{point}");
        assert_eq!(place.agents(), Vec::<u32>::new(), "{point}");
        let again = run(command()).expect_code(1);
        let history = History::read(&place.data());
        assert_eq!(history.count("job.failed"), 1, "{point}: {}", again.out);
        assert_eq!(place.marks(), vec!["draft_change 1"; runs], "{point}");
        assert!(again.out.contains("the agent ended with"), "the reason is shown: {}", again.out);
        assert!(again.out.contains("its last words: going"), "{}", again.out);
        place.assert_tidy(&place.demo(), point);
    }
}

/// The command in which the agent for one step waits for the file `go`.
fn held(place: &Place, mark: &str, verdicts: &str) -> Command {
    let script = place.path("held.sh");
    let scripted = place.agent("");
    let text = format!(
        "#!/bin/sh\n[ \"$STRIATUM_JOB $STRIATUM_ATTEMPT\" = \"{mark}\" ] && set -- \"$@\" --until {}\nexec {scripted} \"$@\"\n",
        place.path("go").display()
    );
    fs::write(&script, text).unwrap();
    let mut command = place.quickstart(&["--author-command", &format!("sh {}", script.display())]);
    command.args(["--reviewer-command", &format!("sh {} {verdicts}", script.display())]);
    command
}

const REVISE: &str = "--verdicts needs_revision,accept";

#[test]
fn after_a_kill_from_outside_the_agent_is_ended_and_its_job_handed_out_again() {
    let moments = [
        ("draft_change 1", ""),
        ("review_change 1", REVISE),
        ("draft_change 2", REVISE),
        ("apply_change 1", ""),
    ];
    thread::scope(|scope| {
        for (mark, verdicts) in moments {
            scope.spawn(move || kill_at(mark, verdicts));
        }
    });
}

fn kill_at(mark: &str, verdicts: &str) {
    let place = Place::new();
    let going = start(&mut held(&place, mark, verdicts));
    place.until_marked(mark);
    going.signal(Signal::KILL);
    assert_eq!(going.end().signal, Some(Signal::KILL.as_raw()), "{mark}");
    let left = place.agents();
    assert!(!left.is_empty(), "{mark}: the agent outlives the orchestrator");
    let before = History::read(&place.data());

    let again = start(&mut held(&place, mark, verdicts));
    until("a second grant", || place.marks().iter().filter(|line| *line == mark).count() == 2);
    assert!(place.agents().iter().all(|pid| !left.contains(pid)), "{mark}: the first agent was ended before");
    fs::write(place.path("go"), "").unwrap();
    let again = again.end();
    assert_eq!(again.code, Some(0), "{mark}: {again:?}");
    let after = History::read(&place.data());
    let (old, new) = (before.grants(), after.grants());
    for step in before.acknowledged() {
        assert_eq!(new[&step], old[&step], "{mark}: {step:?}");
    }
    let ends = after.ends();
    assert_eq!(ends.iter().filter(|(_, _, end)| end.cause == LeaseCause::Crashed).count(), 1, "{mark}");
    place.assert_tidy(&place.demo(), mark);
}

#[test]
fn what_an_agent_finishes_after_the_orchestrator_died_is_handed_in() {
    let place = Place::new();
    let going = start(&mut held(&place, "draft_change 1", ""));
    place.until_marked("draft_change 1");
    going.signal(Signal::KILL);
    going.end();
    fs::write(place.path("go"), "").unwrap();
    until("the agent's end", || place.agents().is_empty());
    let again = run(held(&place, "draft_change 1", "")).expect_code(0);
    assert_eq!(place.marks(), SHORT, "{}", again.out);
    assert_eq!(History::read(&place.data()).grants().values().sum::<usize>(), 3);
    place.assert_tidy(&place.demo(), "finished meanwhile");
}

#[test]
fn an_agent_that_never_had_its_task_has_not_done_it() {
    let place = Place::new();
    let heard = place.path("heard");
    let script = format!("cat > {0}\n[ -s {0} ] || exit 0\n{DILIGENT}", heard.display());
    let site = Site::new(&script, |document| {
        document["jobs"][0].as_object_mut().unwrap().remove("expected_artifacts");
    });
    let mut crashing = site.begin();
    crashing.env("STRIATUM_CRASH_AT", "spawn.after");
    assert_eq!(run(crashing).signal, Some(Signal::ABORT.as_raw()));
    until("the agent's end", || site.place.agents().is_empty());
    assert_eq!(fs::read_to_string(&heard).unwrap(), "", "it ended well, and had nothing to do");
    run(site.begin()).expect_code(0);
    assert_eq!(site.history().grants()[&("a".to_owned(), 1)], 2);
    git(&site.repository, &["show", "striatum/site:out/a.md"]);
}

#[test]
fn an_agent_that_ends_badly_because_the_orchestrator_died_does_not_fail_its_attempt() {
    let place = Place::new();
    let script = place.path("talk.sh");
    let text = format!(
        "#!/bin/sh\nif [ -e {go} ]; then exec {agent}; fi\necho begun >> {marks}\n\
         while [ ! -e {go} ]; do sleep 0.02; done\necho nobody listens || exit 1\necho still nobody || exit 1\n",
        go = place.path("go").display(),
        marks = place.path("marks").display(),
        agent = place.agent("")
    );
    fs::write(&script, text).unwrap();
    let command = || {
        let agent = format!("sh {}", script.display());
        place.quickstart(&["--author-command", &agent, "--reviewer-command", &place.agent("")])
    };
    let going = start(&mut command());
    place.until_marked("begun");
    going.signal(Signal::KILL);
    going.end();
    fs::write(place.path("go"), "").unwrap();
    until("the agent's end", || place.agents().is_empty());
    run(command()).expect_code(0);
    let history = History::read(&place.data());
    let causes: Vec<_> = history.ends().into_iter().map(|(_, _, end)| end.cause).collect();
    assert_eq!(causes[0], LeaseCause::Crashed);
    assert!(!causes.contains(&LeaseCause::Failed), "{causes:?}");
}

#[test]
fn what_an_unfinished_agent_left_is_set_aside_in_a_branch() {
    let place = Place::new();
    let script = place.path("half.sh");
    let text = format!(
        "#!/bin/sh\nmkdir -p proposals\n[ -e {go} ] || echo half > proposals/greet.sh\necho begun >> {marks}\n\
         while [ ! -e {go} ]; do sleep 0.02; done\nexec {agent}\n",
        go = place.path("go").display(),
        marks = place.path("marks").display(),
        agent = place.agent("")
    );
    fs::write(&script, text).unwrap();
    let command = || {
        let agent = format!("sh {}", script.display());
        place.quickstart(&["--author-command", &agent, "--reviewer-command", &place.agent("")])
    };
    let going = start(&mut command());
    place.until_marked("begun");
    going.signal(Signal::KILL);
    going.end();
    let again = start(&mut command());
    until("a second grant", || place.marks().len() == 2);
    fs::write(place.path("go"), "").unwrap();
    again.end().expect_code(0);
    let history = History::read(&place.data());
    let ends = history.ends();
    let crash = ends.iter().find(|(_, _, end)| end.cause == LeaseCause::Crashed).unwrap();
    let aside = crash.2.set_aside.as_ref().unwrap();
    assert_eq!(git(&place.demo(), &["show", &format!("{aside}:proposals/greet.sh")]), "half\n");
    let branches = git(&place.demo(), &["branch", "--contains", aside.as_str(), "--format=%(refname)"]);
    assert!(branches.contains("/draft_change/1.1."), "{branches}");
    place.assert_tidy(&place.demo(), "set aside");
}
