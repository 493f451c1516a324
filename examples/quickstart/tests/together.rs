//! Several of these programs on one data folder.

use std::fs;

use crate::{
    history::History,
    place::{Place, run, start},
};

#[test]
fn two_programs_on_one_run_do_every_job_once() {
    let place = Place::new();
    let go = place.path("go");
    let command = || place.marked(&format!("--until {}", go.display()), "--verdicts needs_revision,accept");
    let first = start(&mut command());
    place.until_marked("draft_change 1");
    let second = start(&mut command());
    crate::place::until("the second at work", || second.out().contains("\ngoing on with run "));
    fs::write(&go, "").unwrap();
    let (first, second) = (first.end().expect_code(0), second.end().expect_code(0));
    assert_eq!(first.run(), second.run());
    let marks = place.marks();
    assert_eq!(marks.len(), 5, "{marks:?}");
    let history = History::read(&place.data());
    assert!(history.grants().values().all(|grants| *grants == 1), "{:?}", history.grants());
    assert_eq!(history.count("run.delivered"), 1);
    place.assert_tidy(&place.demo(), "together");
}

#[test]
fn two_programs_that_begin_at_once_share_one_run() {
    let place = Place::new();
    run(place.quickstart(&["show"])).expect_code(0);
    let (mut one, mut other) = (place.quickstart(&[]), place.quickstart(&[]));
    let (one, other) = (start(&mut one), start(&mut other));
    one.end().expect_code(0);
    other.end().expect_code(0);
    let history = History::read(&place.data());
    assert_eq!(history.count("run.prepared"), 1, "the second goes on with what the first has begun");
    assert!(history.grants().values().all(|grants| *grants == 1), "{:?}", history.grants());
    assert_eq!(history.count("run.delivered"), 1);
    place.assert_tidy(&place.demo(), "at once");
}
