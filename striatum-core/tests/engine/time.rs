//! The store's clock allows claims after a wait, and expiry; nothing else asks it.

use std::time::Duration;

use striatum_core::{
    run::{DeliveryMode, Intent, JobStatus, LeaseReport},
    store::{Renewal, Store},
};

use super::table::{Table, now};
use crate::{
    document::{Document, pair, single},
    drive::{RUN, claim, job, session},
};

const SECOND: Duration = Duration::from_secs(1);

fn take(id: &str, by: u64) -> Intent {
    Intent::Claim(claim(id, session(by), DeliveryMode::Push))
}

fn tried_twice(id: &str) -> Document {
    Document::new().job(id, "draft").with("max_attempts", 2)
}

#[test]
fn a_job_that_failed_is_claimed_when_its_wait_is_over_and_not_before() {
    let table = Table::new();
    table.started(&tried_twice("a"));
    let fence = table.claim("a");
    table.must(Intent::Fail(LeaseReport::new(fence)));
    for _ in 0..2 {
        let events = table.events();
        assert_eq!(table.try_to(take("a", 50)).unwrap_err().code(), "guard_failed");
        assert_eq!(table.events(), events);
        table.hand.advance(SECOND * 4);
    }
    table.hand.advance(SECOND * 2);
    table.must(take("a", 50));
    assert_eq!(table.state().job(&job("a")).unwrap().attempt, 2);
}

#[test]
fn a_lease_expires_behind_its_deadline_and_a_renewal_moves_it() {
    let table = Table::new();
    table.started(&pair());
    let fence = table.claim("a");
    let expire = || table.try_to(Intent::Expire { fence: fence.clone() });
    table.hand.advance(SECOND * 59);
    assert_eq!(expire().unwrap_err().code(), "guard_failed");
    let renewal = now(table.memory.renew(&[(fence.clone(), SECOND * 60)])).unwrap();
    assert!(matches!(renewal[0], Renewal::Held(_)));
    table.hand.advance(SECOND * 59);
    assert_eq!(expire().unwrap_err().code(), "guard_failed");
    table.hand.advance(SECOND);
    assert_eq!(now(table.memory.due(None, 9)).unwrap().lapsed, std::slice::from_ref(&fence));
    expire().unwrap();
    assert_eq!(table.state().job(&job("a")).unwrap().status, JobStatus::Ready);
    assert_eq!(now(table.memory.renew(&[(fence.clone(), SECOND)])).unwrap(), [Renewal::Lost]);
    assert_eq!(expire().unwrap_err().code(), "stale_fence");
}

#[test]
fn a_lapsed_lease_is_valid_until_an_event_ends_it() {
    let table = Table::new();
    table.started(&single());
    let fence = table.claim("a");
    table.hand.advance(SECOND * 3600);
    table.must(table.submission(&fence));
    assert_eq!(table.try_to(Intent::Expire { fence }).unwrap_err().code(), "stale_fence");
}

#[test]
fn the_lease_lasts_as_long_as_the_document_or_the_way_of_delivery_says() {
    for (seconds, mode, expected) in
        [(None, DeliveryMode::Push, 60), (None, DeliveryMode::Pull, 1800), (Some(7), DeliveryMode::Push, 7)]
    {
        let table = Table::new();
        let document = single();
        let document =
            if let Some(seconds) = seconds { document.with("lease_seconds", seconds) } else { document };
        table.started(&document);
        table.must(Intent::Claim(claim("a", session(1), mode)));
        assert_eq!(now(table.memory.due(None, 9)).unwrap().next, Some(SECOND * expected));
    }
}

#[test]
fn two_commands_of_one_call_do_not_both_depend_on_the_clock() {
    let table = Table::new();
    table.started(&tried_twice("a").job("b", "build"));
    let (a, b) = (table.claim("a"), table.claim("b"));
    table.must(Intent::Fail(LeaseReport::new(a)));
    table.hand.advance(SECOND * 3600);
    let commands = [table.command(Intent::Expire { fence: b.clone() }), table.command(take("a", 50))];
    assert_eq!(now(table.engine.execute_all(RUN, &commands)).unwrap_err().code(), "uncombinable");
    for command in commands {
        now(table.engine.execute(RUN, command)).unwrap();
    }
}
