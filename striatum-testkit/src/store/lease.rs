//! Cases about leases, timers and the guards that look at them.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

use std::time::Duration;

use striatum_core::{
    id::{ChainId, Fence},
    store::{AppendError, Due, Guard, Renewal, RunHead},
};

use super::{
    StoreFactory,
    bench::{Bench, SLACK, TERM, assert_refused},
};
use crate::fixture::{Draft, chain, fence, run, session, timer};

const LONGER: Duration = Duration::from_secs(2 * TERM.as_secs());

async fn granted(factory: &dyn StoreFactory) -> (Bench<'_>, Fence, RunHead) {
    let bench = Bench::new(factory).await;
    let lease = fence(run(1), "draft", 1);
    let head = bench.append(bench.first(run(1)).grant(lease.clone(), TERM)).await;
    (bench, lease, head)
}

async fn renew(bench: &Bench<'_>, lease: &Fence, term: Duration) -> Renewal {
    bench.store.renew(&[(lease.clone(), term)]).await.unwrap()[0]
}

/// The deadline itself is not part of the lease any more.
pub async fn a_lease_is_due_after_its_term(factory: &dyn StoreFactory) {
    let (bench, lease, _) = granted(factory).await;
    bench.advance(TERM - SLACK).await;
    assert_eq!(bench.due().await.lapsed, []);
    bench.advance(SLACK).await;
    assert_eq!(bench.due().await.lapsed, [lease]);
}

/// The term counts from the renewal, on the store's clock.
pub async fn a_renewal_moves_the_deadline(factory: &dyn StoreFactory) {
    let (bench, lease, _) = granted(factory).await;
    bench.advance(TERM / 2).await;
    let before = bench.now().await;
    let renewal = renew(&bench, &lease, TERM).await;
    let after = bench.now().await;
    let in_time = |at| before.after(TERM) <= at && at <= after.after(TERM);
    assert!(matches!(renewal, Renewal::Held(at) if in_time(at)), "{renewal:?}");
    bench.advance(TERM - SLACK).await;
    assert_eq!(bench.due().await.lapsed, []);
    bench.advance(SLACK).await;
    assert_eq!(bench.due().await.lapsed, [lease]);
}

/// A shorter term does not take back what was promised.
pub async fn a_renewal_never_moves_a_deadline_backwards(factory: &dyn StoreFactory) {
    let (bench, lease, _) = granted(factory).await;
    let long = renew(&bench, &lease, LONGER).await;
    assert_eq!(renew(&bench, &lease, Duration::ZERO).await, long);
    bench.advance(TERM).await;
    assert_eq!(bench.due().await.lapsed, []);
    bench.advance(TERM).await;
    assert_eq!(bench.due().await.lapsed, [lease]);
}

/// Another session, another epoch, another job, another run: none of them holds it.
pub async fn a_lease_that_was_never_granted_is_lost(factory: &dyn StoreFactory) {
    let (bench, lease, _) = granted(factory).await;
    let strangers = [
        Fence { session: session(2), ..lease.clone() },
        Fence { epoch: 2, ..lease.clone() },
        fence(run(1), "other", 1),
        fence(run(2), "draft", 1),
    ];
    for stranger in strangers {
        assert_eq!(renew(&bench, &stranger, LONGER).await, Renewal::Lost, "{stranger}");
    }
    bench.advance(TERM).await;
    assert_eq!(bench.due().await.lapsed, [lease]);
}

/// Only an event ends a lease; until then its holder may come back.
pub async fn a_lapsed_lease_that_no_event_ended_is_renewed(factory: &dyn StoreFactory) {
    let (bench, lease, _) = granted(factory).await;
    bench.advance(LONGER).await;
    assert_eq!(bench.due().await.lapsed.len(), 1);
    assert!(matches!(renew(&bench, &lease, TERM).await, Renewal::Held(_)));
    assert_eq!(bench.due().await.lapsed, []);
}

/// One answer per question, in its place, also for a lease asked about twice.
pub async fn renewals_are_answered_in_the_order_of_the_question(factory: &dyn StoreFactory) {
    let (bench, lease, _) = granted(factory).await;
    let lost = fence(run(9), "draft", 1);
    let question = [(lost.clone(), TERM), (lease.clone(), LONGER), (lost, TERM), (lease, TERM)];
    let answers = bench.store.renew(&question).await.unwrap();
    let held: Vec<_> = answers.iter().map(|answer| matches!(answer, Renewal::Held(_))).collect();
    assert_eq!(held, [false, true, false, true]);
    assert_eq!(answers[1], answers[3]);
    assert_eq!(bench.store.renew(&[]).await.unwrap(), []);
}

/// An event ended the lease: nobody is asked about it again, and its holder is told.
pub async fn an_ended_lease_is_neither_due_nor_renewed(factory: &dyn StoreFactory) {
    let (bench, lease, head) = granted(factory).await;
    bench.append(bench.next(run(1), head).end(lease.clone())).await;
    assert_eq!(renew(&bench, &lease, TERM).await, Renewal::Lost);
    bench.advance(LONGER).await;
    assert_eq!(bench.due().await, Due::default());
}

/// Nobody expires a lease early, whatever their own clock says.
pub async fn a_lapsed_guard_fails_before_the_deadline(factory: &dyn StoreFactory) {
    let (bench, lease, head) = granted(factory).await;
    bench.advance(TERM - SLACK).await;
    let draft = bench.next(run(1), head).end(lease.clone()).guard(Guard::Lapsed(lease));
    assert_refused!(bench.refusal(draft).await, AppendError::GuardFailed);
}

/// The first to expire a lease ends it; who comes later finds none.
pub async fn a_lapsed_guard_passes_once(factory: &dyn StoreFactory) {
    let (bench, lease, head) = granted(factory).await;
    bench.advance(TERM).await;
    let expire = |head| bench.next(run(1), head).end(lease.clone()).guard(Guard::Lapsed(lease.clone()));
    let head = bench.append(expire(head)).await;
    assert_refused!(bench.refusal(expire(head).says("again")).await, AppendError::GuardFailed);
}

/// A renewal that came in time, even after the deadline, saves the lease.
pub async fn a_lapsed_guard_fails_after_a_renewal(factory: &dyn StoreFactory) {
    let (bench, lease, head) = granted(factory).await;
    bench.advance(TERM).await;
    assert!(matches!(renew(&bench, &lease, TERM).await, Renewal::Held(_)));
    let draft = bench.next(run(1), head).end(lease.clone()).guard(Guard::Lapsed(lease));
    assert_refused!(bench.refusal(draft).await, AppendError::GuardFailed);
}

/// A lapsed lease of another session or epoch proves nothing.
pub async fn a_lapsed_guard_looks_at_the_whole_fence(factory: &dyn StoreFactory) {
    let (bench, lease, head) = granted(factory).await;
    bench.advance(TERM).await;
    for stranger in [Fence { session: session(2), ..lease.clone() }, Fence { epoch: 2, ..lease }] {
        let draft = bench.next(run(1), head).guard(Guard::Lapsed(stranger));
        assert_refused!(bench.refusal(draft).await, AppendError::GuardFailed);
    }
}

/// A claim after a wait is refused until the wait is over.
pub async fn a_due_guard_passes_when_its_timer_has_run_out(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let wait = timer(run(1), "draft", 1);
    let head = bench.append(bench.first(run(1)).start(wait.clone(), TERM)).await;
    let claim = |head| bench.next(run(1), head).stop(wait.clone()).guard(Guard::Due(wait.clone()));
    bench.advance(TERM - SLACK).await;
    assert_refused!(bench.refusal(claim(head)).await, AppendError::GuardFailed);
    bench.advance(SLACK).await;
    let head = bench.append(claim(head)).await;
    assert_refused!(bench.refusal(claim(head).says("again")).await, AppendError::GuardFailed);
}

/// What runs out once stays so, however often it is asked about, until an event stops it.
pub async fn a_timer_that_has_run_out_stays_so_until_it_is_stopped(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let wait = timer(run(1), "draft", 1);
    let mut head = bench.append(bench.first(run(1)).start(wait.clone(), TERM)).await;
    bench.advance(TERM).await;
    for _ in 0..2 {
        head = bench.append(bench.next(run(1), head).guard(Guard::Due(wait.clone()))).await;
        assert_eq!(bench.due().await, Due::default());
    }
    let head = bench.append(bench.next(run(1), head).stop(wait.clone())).await;
    let late = bench.next(run(1), head).guard(Guard::Due(wait));
    assert_refused!(bench.refusal(late).await, AppendError::GuardFailed);
}

/// Sleepers know when to look again: at the first deadline, of leases and timers, that has not passed.
pub async fn due_says_how_long_until_the_next(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    assert_eq!(bench.due().await, Due::default());
    let draft = bench.first(run(1)).grant(fence(run(1), "a", 1), TERM);
    bench.append(draft.start(timer(run(1), "b", 1), LONGER)).await;
    let near = |next: Option<Duration>, expected: Duration| {
        assert!(
            next.is_some_and(|next| next <= expected && next + SLACK > expected),
            "{next:?}, {expected:?}"
        );
    };
    near(bench.due().await.next, TERM);
    bench.advance(TERM).await;
    near(bench.due().await.next, TERM);
    bench.advance(TERM).await;
    let due = bench.due().await;
    assert_eq!((due.lapsed.len(), due.next), (1, None));
}

/// A limit cuts off what is least overdue.
pub async fn what_is_longest_due_comes_first(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    for (number, terms) in [(1, 3), (2, 1), (3, 2)] {
        let lease = fence(run(number), "draft", 1);
        bench.append(bench.first(run(number)).grant(lease, TERM * terms)).await;
    }
    bench.advance(TERM * 4).await;
    let due = bench.store.due(None, 2).await.unwrap();
    assert_eq!(due.lapsed.iter().map(|lease| lease.run).collect::<Vec<_>>(), [run(2), run(3)]);
}

/// Whoever looks after one chain is neither shown the leases of others nor woken for their timers.
pub async fn what_is_due_in_one_chain_is_told_alone(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let side = chain("side");
    bench.open_chain(&side).await;
    let leases = [1, 2, 3].map(|number| fence(run(number), "draft", 1));
    let [first, second, third] = leases.clone();
    bench.append(bench.first(run(1)).grant(first, TERM)).await;
    let draft = Draft::new(&side, run(2), RunHead::START).grant(second, LONGER);
    bench.append(draft.start(timer(run(2), "other", 1), TERM * 9)).await;
    bench.append(bench.first(run(3)).grant(third, TERM * 3)).await;
    let next = async |chain: &ChainId| bench.store.due(Some(chain), 1).await.unwrap().next;
    let near = |next: Option<Duration>, expected| {
        assert!(
            next.is_some_and(|next| next <= expected && next + SLACK > expected),
            "{next:?}, {expected:?}"
        );
    };
    near(next(&bench.chain).await, TERM);
    near(next(&side).await, LONGER);
    bench.advance(TERM * 3).await;
    let [first, second, third] = leases;
    let lapsed = async |chain, limit| bench.store.due(chain, limit).await.unwrap().lapsed;
    assert_eq!(lapsed(Some(&side), 1).await, std::slice::from_ref(&second));
    assert_eq!(lapsed(Some(&bench.chain), 2).await, [first.clone(), third.clone()]);
    assert_eq!(lapsed(None, 9).await, [first, second, third]);
    near(next(&side).await, TERM * 6);
    assert_eq!(next(&bench.chain).await, None);
    assert_eq!(bench.store.due(Some(&chain("none")), 9).await.unwrap(), Due::default());
}
