//! Agents that speak the Agent Client Protocol and call tools: real processes, real edits, real calls.

use std::{fs, process::Command};

use rustix::process::{Pid, Signal, kill_process};
use striatum::core::run::LeaseCause;

use crate::{
    history::History,
    place::{Place, git, run, start, until},
};

const SHORT: [&str; 3] = ["draft_change 1", "review_change 1", "apply_change 1"];

/// The main job with scripted agents that speak the protocol.
fn job(place: &Place, author: &str, reviewer: &str) -> Command {
    let mut command = place.marked(&format!("--acp {author}"), &format!("--acp {reviewer}"));
    command.args(["--transport", "acp"]);
    command
}

#[test]
fn a_reviewed_change_goes_through_by_tools_alone() {
    let place = Place::new();
    let said = run(job(&place, "", "--verdicts needs_revision,accept --model small")).expect_code(0);
    assert!(said.out.contains("attempt 1 found: said at attempt 1"), "{}", said.out);
    let again = ["draft_change 1", "review_change 1", "draft_change 2", "review_change 2", "apply_change 1"];
    assert_eq!(place.marks(), again);
    let history = History::read(&place.data());
    assert_eq!(history.count("session.identified"), 5, "each says what it is");
    assert_eq!(history.count("verdict.recorded"), 2);
    let models: Vec<_> = history.identities().into_iter().filter_map(|agent| agent.model).collect();
    assert_eq!(models, ["small", "small"], "as the reviewer says itself");
    git(&place.demo(), &["show", "striatum/greeting:bin/greet.sh"]);
    place.assert_tidy(&place.demo(), "by tools");
}

#[test]
fn what_is_refused_is_mended_in_the_same_turn() {
    let place = Place::new();
    run(job(&place, "--stray elsewhere.txt", "--stray elsewhere.md")).expect_code(0);
    let history = History::read(&place.data());
    assert_eq!(history.grants().values().sum::<usize>(), 3, "no grant was wasted");
    assert_eq!(place.marks(), SHORT);
    let files = git(&place.demo(), &["ls-tree", "-r", "--name-only", "striatum/greeting"]);
    assert!(!files.contains("elsewhere"), "{files}");
}

#[test]
fn a_turn_that_ends_without_an_outcome_is_followed_by_a_nudge() {
    let place = Place::new();
    let said = run(job(&place, "--idle 2", "--idle 1")).expect_code(0);
    assert!(!said.out.contains("failed"), "{}", said.out);
    assert_eq!(History::read(&place.data()).grants().values().sum::<usize>(), 3);
}

#[test]
fn a_turn_that_says_that_it_was_cancelled_is_followed_by_a_nudge() {
    let place = Place::new();
    let said = run(job(&place, "--cancels 1", "")).expect_code(0);
    assert!(!said.out.contains("failed"), "{}", said.out);
    assert_eq!(History::read(&place.data()).grants().values().sum::<usize>(), 3);
}

#[test]
fn an_outcome_that_is_recorded_after_a_turn_has_failed_is_waited_for_no_longer() {
    let place = Place::new();
    let script = place.path("late.sh");
    // Longer than this test may take, and shorter than an orchestrator waits for.
    let text = format!(
        "#!/bin/sh\nexec {} --acp --late 'rate limit reached, try again in 800 s'\n",
        place.agent("")
    );
    fs::write(&script, text).unwrap();
    let agent = format!("sh {}", script.display());
    let mut command = place.quickstart(&["--transport", "acp"]);
    command.args(["--author-command", &agent, "--reviewer-command", &agent]);
    run(command).expect_code(0);
    assert_eq!(place.marks(), SHORT);
    assert_eq!(History::read(&place.data()).grants().values().sum::<usize>(), 3);
}

#[test]
fn an_agent_that_never_concludes_has_failed_its_attempt() {
    let place = Place::new();
    let document = place.one_attempt();
    let mut command = job(&place, "--idle 99", "");
    command.arg("--workflow").arg(document);
    let said = run(command).expect_code(1);
    assert!(said.out.contains("the agent recorded no outcome after 3 nudges"), "{}", said.out);
    place.assert_tidy(&place.demo(), "never concludes");
}

#[test]
fn an_agent_that_gives_up_says_why() {
    let place = Place::new();
    let document = place.one_attempt();
    let mut command = job(&place, "--give-up no-compiler", "");
    command.arg("--workflow").arg(document);
    let said = run(command).expect_code(1);
    assert!(said.out.contains("no-compiler"), "{}", said.out);
}

#[test]
fn a_process_that_dies_in_mid_turn_is_one_failed_attempt() {
    let place = Place::new();
    let document = place.one_attempt();
    let mut command = job(&place, "--exit 7", "");
    command.arg("--workflow").arg(document);
    let said = run(command).expect_code(1);
    assert!(said.out.contains("before it recorded an outcome"), "{}", said.out);
    assert_eq!(place.marks(), ["draft_change 1"]);
    place.assert_tidy(&place.demo(), "died");
}

#[test]
fn a_question_waits_for_a_person_and_the_answer_reaches_the_next_session() {
    let place = Place::new();
    let said = run(job(&place, "--ask Which?", "")).expect_code(3);
    assert!(said.out.contains("question 1: Which?"), "{}", said.out);
    let again = run(place.quickstart(&["answer", &said.run(), "1", "The first."])).expect_code(3);
    assert!(again.out.contains("draft_change: completed"), "{}", again.out);
    run(place.quickstart(&["answer", &said.run(), "2", "The second."])).expect_code(0);
    let history = History::read(&place.data());
    assert_eq!((history.count("question.asked"), history.count("question.answered")), (2, 2));
    place.assert_tidy(&place.demo(), "asked");
}

/// What an agent that remembers its sessions did with them.
fn sessions(place: &Place) -> Vec<String> {
    let text = fs::read_to_string(place.path("sessions")).unwrap();
    text.lines().map(|line| line.replace("scripted-session-", "")).collect()
}

#[test]
fn who_asked_goes_on_in_the_same_conversation_after_a_restart() {
    let place = Place::new();
    let remembers = format!("--ask Which? --remembers {}", place.path("sessions").display());
    let said = run(job(&place, &remembers, "")).expect_code(3);
    assert_eq!(sessions(&place), ["new 1"]);
    run(place.quickstart(&["answer", &said.run(), "1", "The first."])).expect_code(3);
    assert_eq!(sessions(&place), ["new 1", "load 1", "new 2"], "another job is another conversation");
    run(place.quickstart(&["answer", &said.run(), "2", "The second."])).expect_code(0);
    assert_eq!(sessions(&place), ["new 1", "load 1", "new 2", "load 2"]);
    let history = History::read(&place.data());
    assert!(history.ends().iter().all(|(_, _, end)| end.cause != LeaseCause::Failed), "nothing has failed");
    place.assert_tidy(&place.demo(), "goes on");
}

#[test]
fn who_has_forgotten_its_conversation_begins_a_new_one_and_is_told_the_answer() {
    let place = Place::new();
    let document = place.one_attempt();
    let remembers = format!("--ask Which? --remembers {}", place.path("sessions").display());
    let mut command = job(&place, &remembers, "");
    command.arg("--workflow").arg(&document);
    let said = run(command).expect_code(3);
    fs::write(place.path("sessions"), "").unwrap();
    let again = run(place.quickstart(&["answer", &said.run(), "1", "The first."])).expect_code(3);
    assert!(again.out.contains("draft_change: completed"), "{}", again.out);
    assert_eq!(sessions(&place)[..2], ["forgot 1", "new 1"]);
}

/// The job in which one agent waits for the file `go` before it hands in.
fn held(place: &Place, at: &str) -> Command {
    let script = place.path("held.sh");
    let text = format!(
        "#!/bin/sh\n[ \"$STRIATUM_JOB\" = \"{at}\" ] && set -- \"$@\" --until {}\nexec {} --acp \"$@\"\n",
        place.path("go").display(),
        place.agent("")
    );
    fs::write(&script, text).unwrap();
    let agent = format!("sh {}", script.display());
    place.quickstart(&["--transport", "acp", "--author-command", &agent, "--reviewer-command", &agent])
}

#[test]
fn after_a_kill_in_mid_turn_nothing_acknowledged_is_lost_and_no_agent_is_left() {
    for at in ["draft_change", "review_change", "apply_change"] {
        let place = Place::new();
        let mark = format!("{at} 1");
        let going = start(&mut held(&place, at));
        place.until_marked(&mark);
        going.signal(Signal::KILL);
        assert_eq!(going.end().signal, Some(Signal::KILL.as_raw()), "{at}");
        let before = History::read(&place.data());

        let again = start(&mut held(&place, at));
        until("a second grant", || place.marks().iter().filter(|line| **line == mark).count() == 2);
        fs::write(place.path("go"), "").unwrap();
        again.end().expect_code(0);
        let after = History::read(&place.data());
        assert_eq!(after.events[..before.events.len()], before.events[..], "{at}");
        let (old, new) = (before.grants(), after.grants());
        for step in before.acknowledged() {
            assert_eq!(new[&step], old[&step], "{at}: {step:?} was acknowledged and granted again");
        }
        let ends = after.ends();
        let crashed = ends.iter().filter(|(_, _, end)| end.cause == LeaseCause::Crashed).count();
        assert_eq!(crashed, 1, "{at}");
        place.assert_tidy(&place.demo(), at);
    }
}

#[test]
fn a_crash_around_a_submission_by_tool_submits_it_once() {
    for (point, extra) in [
        ("commit_work.after", 1),
        ("put_blobs.after", 1),
        ("submit.before", 1),
        ("submit.after", 0),
        ("agent_ended", 0),
        ("identify.after", 1),
    ] {
        let place = Place::new();
        let mut crashing = job(&place, "", "");
        crashing.env("STRIATUM_CRASH_AT", point);
        assert_eq!(run(crashing).signal, Some(Signal::ABORT.as_raw()), "{point}");
        run(job(&place, "", "")).expect_code(0);
        let history = History::read(&place.data());
        assert_eq!(history.count("job.completed"), 3, "{point}");
        assert_eq!(history.grants()[&("draft_change".to_owned(), 1)], 1 + extra, "{point}");
        place.assert_tidy(&place.demo(), point);
    }
}

#[test]
fn an_agent_that_is_killed_from_outside_is_replaced() {
    let place = Place::new();
    let going = start(&mut held(&place, "draft_change"));
    place.until_marked("draft_change 1");
    for pid in place.agents() {
        // One may go with the other.
        let _ = kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL);
    }
    fs::write(place.path("go"), "").unwrap();
    going.end().expect_code(0);
    let history = History::read(&place.data());
    let causes: Vec<_> = history.ends().into_iter().map(|(_, _, end)| end.cause).collect();
    assert_eq!(causes[0], LeaseCause::Failed, "{causes:?}");
    place.assert_tidy(&place.demo(), "killed from outside");
}

#[test]
fn an_agent_that_is_not_there_is_missed_before_a_run_begins() {
    let place = Place::new();
    let mut command = place.quickstart(&["--agent", "gemini"]);
    command.env_remove("GEMINI_API_KEY");
    let said = run(command).expect_error("agent_missing", &["acp:gemini cannot run here", "GEMINI_API_KEY"]);
    assert!(!said.out.contains("prepared run"), "{}", said.out);
}

#[test]
fn an_agent_that_only_the_document_names_is_missed_before_a_run_begins() {
    let place = Place::new();
    let document =
        place.document(r#""adapter": "process", "command": ["reviewer"]"#, r#""adapter": "acp:gemini""#);
    let mut command = place.quickstart(&[]);
    command.arg("--workflow").arg(document).env_remove("GEMINI_API_KEY");
    let words = ["lane reviewer, acp:gemini", "let the lane name one of GEMINI_API_KEY"];
    let said = run(command).expect_error("agent_missing", &words);
    assert!(!said.out.contains("prepared run"), "{}", said.out);
}

#[test]
fn a_reviewer_asks_the_author_and_a_crash_around_the_answer_loses_nothing() {
    for crash in [None, Some("reply.before"), Some("reply.after")] {
        let place = Place::new();
        let from = "\"id\": \"draft_change\",";
        let document = place.document(from, &format!("{from} \"interrogable\": true,"));
        let asking = || {
            let mut command = job(&place, "", "--ask why-so --of draft_change");
            command.arg("--workflow").arg(&document);
            command
        };
        if let Some(point) = crash {
            let mut crashing = asking();
            crashing.env("STRIATUM_CRASH_AT", point);
            assert_eq!(run(crashing).signal, Some(Signal::ABORT.as_raw()), "{point}");
        }
        let said = run(asking()).expect_code(0);
        let history = History::read(&place.data());
        let counts = ["question.asked", "question.answered", "question.referred", "question.notified"];
        assert_eq!(counts.map(|kind| history.count(kind)), [1, 1, 0, 0], "{crash:?}: {}", said.out);
        let reviews = history.grants().into_iter().filter(|((job, _), _)| job == "review_change");
        assert_eq!(reviews.map(|(_, grants)| grants).sum::<usize>(), 2, "it went on with the answer");
        place.assert_tidy(&place.demo(), "asks the author");
    }
}
