//! Ctrl-C.

use std::fs;

use rustix::process::Signal;
use striatum::core::run::LeaseCause;

use crate::{
    history::History,
    place::{Place, run, start, until},
};

#[test]
fn an_interrupt_lets_the_agent_end_and_hands_out_nothing_more() {
    let place = Place::new();
    let go = place.path("go");
    let command = || place.marked(&format!("--until {}", go.display()), "");
    let going = start(&mut command());
    place.until_marked("draft_change 1");
    going.signal(Signal::INT);
    until("the answer to Ctrl-C", || going.out().contains("letting running agents end"));
    fs::write(&go, "").unwrap();
    going.end().expect_error("run_unfinished", &["nothing of it is lost"]);
    assert_eq!(place.marks(), ["draft_change 1"]);
    assert_eq!(History::read(&place.data()).acknowledged(), [("draft_change".to_owned(), 1)]);
    place.assert_tidy(&place.demo(), "drained");
    run(command()).expect_code(0);
    assert_eq!(place.marks(), ["draft_change 1", "review_change 1", "apply_change 1"]);
}

#[test]
fn a_second_interrupt_stops_the_agent_and_its_job_is_handed_out_again() {
    let place = Place::new();
    let go = place.path("go");
    let command = || place.marked(&format!("--until {}", go.display()), "");
    let going = start(&mut command());
    place.until_marked("draft_change 1");
    going.signal(Signal::INT);
    until("the answer to Ctrl-C", || going.out().contains("letting running agents end"));
    going.signal(Signal::INT);
    going.end().expect_error("run_unfinished", &[]);
    place.assert_tidy(&place.demo(), "stopped");
    let causes: Vec<_> =
        History::read(&place.data()).ends().into_iter().map(|(_, _, end)| end.cause).collect();
    assert_eq!(causes, [LeaseCause::Released]);
    fs::write(&go, "").unwrap();
    run(command()).expect_code(0);
    assert_eq!(place.marks(), ["draft_change 1", "draft_change 1", "review_change 1", "apply_change 1"]);
}
