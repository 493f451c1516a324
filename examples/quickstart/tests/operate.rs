//! What a person can do about a run.

use std::{fs, path::Path};

use crate::{
    history::History,
    place::{Place, copy_folder, run, start},
};

#[test]
fn a_failed_job_is_done_once_more_when_it_is_retried() {
    let place = Place::new();
    let folder = place.path("workflow");
    copy_folder(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/demo/workflow")), &folder);
    let file = folder.join("workflow.json");
    let text = fs::read_to_string(&file).unwrap().replace("\"max_attempts\": 2", "\"max_attempts\": 1");
    fs::write(&file, text).unwrap();
    let mended = place.path("mended");
    let script = place.path("author.sh");
    let agent = place.agent("");
    fs::write(&script, format!("[ -e {} ] && exec {agent}\nexec {agent} --leave-out\n", mended.display()))
        .unwrap();
    let mut command = place.quickstart(&["--author-command", &format!("sh {}", script.display())]);
    command.arg("--reviewer-command").arg(place.agent("")).arg("--workflow").arg(&file);
    let failed = run(command).expect_code(1);
    for words in
        ["artifacts_missing", "draft at proposals/greet.sh", "write each artifact to its path", " retry "]
    {
        assert!(failed.out.contains(words), "{words:?} is missing in {}", failed.out);
    }
    let shown = run(place.quickstart(&["show", &failed.run()])).expect_code(0);
    assert!(shown.out.contains("artifacts_missing"), "{}", shown.out);

    run(place.quickstart(&["retry", &failed.run(), "apply"])).expect_error("job_unknown", &["apply"]);
    fs::write(&mended, "").unwrap();
    let done = run(place.quickstart(&["retry", &failed.run(), "draft_change"])).expect_code(0);
    assert!(done.out.contains("draft_change: completed"), "{}", done.out);
    assert_eq!(place.marks(), ["draft_change 1", "draft_change 2", "review_change 2", "apply_change 2"]);
    place.assert_tidy(&place.demo(), "retried");
}

#[test]
fn a_paused_run_hands_out_nothing_until_it_is_resumed() {
    let place = Place::new();
    let go = place.path("go");
    let command = || place.marked(&format!("--until {}", go.display()), "");
    let going = start(&mut command());
    place.until_marked("draft_change 1");
    let all = run(place.quickstart(&["show"])).expect_code(0);
    let id = all.out.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let paused = run(place.quickstart(&["pause", &id])).expect_code(0);
    assert!(paused.out.contains(": running, paused, "), "{}", paused.out);
    fs::write(&go, "").unwrap();
    going.end().expect_code(3);
    assert_eq!(place.marks(), ["draft_change 1"], "what runs ends, and nothing more begins");
    run(command()).expect_code(3);
    run(place.quickstart(&["pause", &id, "--resume"])).expect_code(0);
    run(command()).expect_code(0);
    assert_eq!(place.marks(), ["draft_change 1", "review_change 1", "apply_change 1"]);
}

#[test]
fn a_canceled_job_ends_its_agent_and_can_be_done_after_all() {
    let place = Place::new();
    let go = place.path("go");
    let going = start(&mut place.marked(&format!("--until {}", go.display()), ""));
    place.until_marked("draft_change 1");
    let all = run(place.quickstart(&["show"])).expect_code(0);
    let id = all.out.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    run(place.quickstart(&["cancel", &id, "--job", "nobody"])).expect_error("job_unknown", &["nobody"]);
    let canceled = run(place.quickstart(&["cancel", &id, "--job", "draft_change"])).expect_code(0);
    assert!(canceled.out.contains("draft_change: canceled"), "{}", canceled.out);
    assert!(canceled.out.contains(&format!(" retry {id} draft_change")), "{}", canceled.out);
    going.end().expect_code(1);
    fs::write(&go, "").unwrap();
    run(place.quickstart(&["retry", &id, "draft_change"])).expect_code(0);
    place.assert_tidy(&place.demo(), "done after all");
}

#[test]
fn a_canceled_run_ends_its_agent_and_the_next_command_begins_another() {
    let place = Place::new();
    let go = place.path("go");
    let command = || place.marked(&format!("--until {}", go.display()), "");
    let going = start(&mut command());
    place.until_marked("draft_change 1");
    let all = run(place.quickstart(&["show"])).expect_code(0);
    let id = all.out.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let canceled = run(place.quickstart(&["cancel", &id])).expect_code(0);
    assert!(canceled.out.contains(": canceled, "), "{}", canceled.out);
    going.end().expect_code(1);
    place.assert_tidy(&place.demo(), "canceled");
    fs::write(&go, "").unwrap();
    run(command()).expect_code(0);
    assert_eq!(History::read(&place.data()).count("run.prepared"), 2);
    run(place.quickstart(&["cancel", &id])).expect_code(0);
    run(place.quickstart(&["show", "zz"])).expect_error("run_unknown", &["zz"]);
}
