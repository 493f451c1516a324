//! The main job, without anything in its way.

use crate::{
    history::History,
    place::{Place, git, run},
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
