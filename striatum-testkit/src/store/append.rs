//! Cases about [`Store::append`](striatum_core::store::Store::append) and the chain that it makes.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

use std::time::Duration;

use bytes::Bytes;
use striatum_core::{
    chain::{Position, Sealed, Verifier},
    digest::Digest,
    run::Bodies,
    store::{AppendError, ChainMeta, Guard, MAX_BODY_BYTES, RunHead, StoreErrorKind},
    time::Timestamp,
};

use super::{
    Ability, StoreFactory,
    bench::{Bench, TERM, assert_refused, kind, store_kind},
};
use crate::fixture::{Draft, chain, fence, holder, ready, resource, run};

/// A chain is created once; its description counts only the first time.
pub async fn opening_a_chain_again_changes_nothing(factory: &dyn StoreFactory) {
    let bench = Bench::empty(factory).await;
    let meta = ChainMeta { label: "/srv/repository".to_owned() };
    let opened = bench.store.open_chain(&bench.chain, &meta).await.unwrap();
    assert_eq!(opened, Position::genesis(&bench.chain));
    bench.append(bench.first(run(1))).await;
    let head = bench.head().await;
    let again = bench.store.open_chain(&bench.chain, &ChainMeta { label: "other".to_owned() }).await.unwrap();
    assert_eq!(again, head);
    let chains = bench.store.chains().await.unwrap();
    assert_eq!(chains.len(), 1);
    assert_eq!((&chains[0].chain, &chains[0].label), (&bench.chain, &meta.label));
    assert_eq!((chains[0].genesis, chains[0].head), (opened.digest, head));
}

/// All chains are there, in the order of their names' bytes, whatever a locale makes of them.
pub async fn chains_are_listed_bytewise_by_name(factory: &dyn StoreFactory) {
    let bench = Bench::empty(factory).await;
    assert_eq!(bench.store.chains().await.unwrap(), []);
    for name in ["main", "audit", "a_b", "a-b", "Other"] {
        bench.open_chain(&chain(name)).await;
    }
    let names: Vec<_> = bench.store.chains().await.unwrap().into_iter().map(|info| info.chain).collect();
    assert_eq!(names, ["Other", "a-b", "a_b", "audit", "main"].map(chain));
}

/// The answer is the run's new head, and the chain's head names the same event.
pub async fn an_append_moves_the_heads_of_run_and_chain(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let one = bench.append(bench.first(run(1)).events(2)).await;
    assert_eq!(one.version, 2);
    assert_eq!(bench.head().await, Position { seq: 2, digest: one.digest });
    let other = bench.append(bench.first(run(2))).await;
    assert_eq!(other.version, 1);
    let two = bench.append(bench.next(run(1), one).events(3)).await;
    assert_eq!(two.version, 5);
    assert_eq!(bench.head().await, Position { seq: 6, digest: two.digest });
}

/// Digests are those that the format prescribes, from the genesis on.
pub async fn events_are_sealed_with_the_documented_digest(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1)).events(2)).await;
    bench.append(bench.next(run(1), head).says("more")).await;
    let mut expected = Position::genesis(&bench.chain);
    let mut verifier = Verifier::new(&bench.chain);
    let events = bench.events(&bench.chain).await;
    assert_eq!(events.len(), 3);
    for event in events {
        assert_eq!(event, Sealed::seal(expected, event.at, event.body.clone()));
        assert_eq!(verifier.push(&event), Ok(()));
        expected = event.position();
    }
    assert_eq!(verifier.finish(bench.head().await), Ok(expected));
}

/// Bodies are bytes: neither white space nor key order nor what is not text is touched.
pub async fn the_bytes_come_back_as_they_were_given(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let bodies = vec![
        Bytes::from_static(b"{ \"b\": 1.0,\n  \"a\": \"\\u00e4\", \"a\": 2 }"),
        Bytes::from_static("{\"text\":\"ä ∎ 𝕊\"}".as_bytes()),
        Bytes::from_static(b"\0\xff\\x00'; drop table events; --"),
        Bytes::new(),
        Bytes::from(vec![b'x'; MAX_BODY_BYTES]),
    ];
    bench.append(bench.first(run(1)).bodies(bodies.clone())).await;
    let stored: Vec<_> = bench.events_of(run(1)).await.into_iter().map(|event| event.body).collect();
    assert_eq!(stored, bodies);
    bench.verify(&bench.chain).await;
}

/// "Did my write land?" is asked by sending the batch again.
pub async fn the_same_batch_twice_is_one_write(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let batch = bench.first(run(1)).events(3).ready(ready("draft")).batch();
    let head = bench.store.append(&batch).await.unwrap();
    assert_eq!(bench.store.append(&batch).await.unwrap(), head);
    let later = bench.next(run(1), head).events(2).batch();
    let last = bench.store.append(&later).await.unwrap();
    assert_eq!(bench.store.append(&later).await.unwrap(), last);
    assert_eq!(bench.head().await, Position { seq: 5, digest: last.digest });
    assert_eq!(bench.events_of(run(1)).await.len(), 5);
}

/// What other runs do meanwhile does not matter to the answer.
pub async fn a_repeated_batch_is_recognised_after_other_runs_moved_on(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let batch = bench.first(run(1)).events(2).batch();
    let head = bench.store.append(&batch).await.unwrap();
    let other = bench.append(bench.first(run(2)).events(2)).await;
    bench.append(bench.next(run(2), other)).await;
    assert_eq!(bench.store.append(&batch).await.unwrap(), head);
    assert_eq!(bench.head().await.seq, 5);
}

/// The first sending ended the lease, so the guard cannot hold for the second.
pub async fn a_repeated_batch_is_answered_before_its_guard(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let lease = fence(run(1), "draft", 1);
    let head = bench.append(bench.first(run(1)).grant(lease.clone(), TERM)).await;
    bench.advance(TERM).await;
    let expiry = bench.next(run(1), head).end(lease.clone()).guard(Guard::Lapsed(lease)).batch();
    let last = bench.store.append(&expiry).await.unwrap();
    assert_eq!(bench.store.append(&expiry).await.unwrap(), last);
}

/// Another run may have taken the resource since; it keeps it.
pub async fn a_repeated_batch_is_answered_before_its_resources(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let claim = bench.first(run(1)).take("one", resource("db")).batch();
    let head = bench.store.append(&claim).await.unwrap();
    assert_eq!(bench.store.append(&claim).await.unwrap(), head);
    let finish = bench.next(run(1), head).free(resource("db")).batch();
    let last = bench.store.append(&finish).await.unwrap();
    let other = bench.append(bench.first(run(2)).take("two", resource("db"))).await;
    assert_eq!(bench.store.append(&finish).await.unwrap(), last);
    let third = bench.refusal(bench.first(run(3)).take("three", resource("db"))).await;
    let expected = holder(run(2), "two");
    assert_refused!(third, AppendError::Busy { ref holder, .. } if *holder == expected);
    bench.append(bench.next(run(2), other)).await;
}

/// A repetition applies nothing: the lease keeps its renewed deadline, the index its rows.
pub async fn a_repeated_batch_leaves_the_index_alone(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let lease = fence(run(1), "draft", 1);
    let batch = bench.first(run(1)).grant(lease.clone(), TERM).batch();
    bench.store.append(&batch).await.unwrap();
    bench.advance(TERM / 2).await;
    bench.store.append(&batch).await.unwrap();
    bench.advance(TERM / 2).await;
    assert_eq!(bench.due().await.lapsed, [lease]);
}

/// The bodies decide what is a repetition, not the head that was expected.
pub async fn other_bytes_after_the_same_head_conflict(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1)).says("one")).await;
    assert_refused!(bench.refusal(bench.first(run(1)).says("two")).await, AppendError::Conflict);
    bench.append(bench.next(run(1), head).says("one")).await;
    assert_refused!(bench.refusal(bench.next(run(1), head).says("two")).await, AppendError::Conflict);
}

/// Neither behind nor ahead of the run, nor for a run that is not there.
pub async fn another_version_conflicts(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let one = bench.append(bench.first(run(1))).await;
    let two = bench.append(bench.next(run(1), one)).await;
    let ahead = RunHead { version: 3, digest: two.digest };
    for stale in [RunHead::START, one, ahead] {
        let refusal = bench.refusal(bench.next(run(1), stale).says("late")).await;
        assert_refused!(refusal, AppendError::Conflict);
    }
    assert_refused!(bench.refusal(bench.next(run(2), one)).await, AppendError::Conflict);
}

/// After a restore the number may be right and the history another.
pub async fn the_right_version_with_another_digest_conflicts(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1))).await;
    let forged = RunHead { digest: Digest::of(b"another history"), ..head };
    assert_refused!(bench.refusal(bench.next(run(1), forged)).await, AppendError::Conflict);
    let forged = RunHead { digest: head.digest, ..RunHead::START };
    assert_refused!(bench.refusal(bench.next(run(1), forged)).await, AppendError::Conflict);
    // Even where the bytes are those that follow.
    bench.append(bench.next(run(1), head).says("same")).await;
    let forged = RunHead { digest: Digest::ZERO, ..head };
    assert_refused!(bench.refusal(bench.next(run(1), forged).says("same")).await, AppendError::Conflict);
}

/// The run has moved further, so whoever sends the batch must look at it anew.
pub async fn a_batch_that_is_only_the_beginning_of_what_followed_conflicts(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let batch = bench.first(run(1)).events(2).batch();
    let head = bench.store.append(&batch).await.unwrap();
    bench.append(bench.next(run(1), head)).await;
    assert_refused!(bench.store.append(&batch).await, Err(AppendError::Conflict));
}

/// What stands in the log is only the beginning of the batch: it is another batch.
pub async fn a_batch_that_goes_on_after_what_followed_conflicts(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    bench.append(bench.first(run(1)).events(2)).await;
    assert_refused!(bench.refusal(bench.first(run(1)).events(3)).await, AppendError::Conflict);
    assert_eq!(bench.head().await.seq, 2);
}

/// Of several reasons to refuse, the first in the documented order is the answer.
pub async fn a_conflict_comes_before_a_failed_guard_and_that_before_a_busy_resource(
    factory: &dyn StoreFactory,
) {
    let bench = Bench::new(factory).await;
    bench.append(bench.first(run(2)).take("two", resource("db"))).await;
    let lease = fence(run(1), "draft", 1);
    let head = bench.append(bench.first(run(1)).grant(lease.clone(), TERM)).await;
    let draft = |expected| {
        let draft = bench.next(run(1), expected).says("all").take("one", resource("db"));
        draft.guard(Guard::Lapsed(lease.clone()))
    };
    assert_refused!(bench.refusal(draft(RunHead::START)).await, AppendError::Conflict);
    assert_refused!(bench.refusal(draft(head)).await, AppendError::GuardFailed);
    bench.advance(TERM).await;
    assert_refused!(bench.refusal(draft(head)).await, AppendError::Busy { .. });
}

/// All or nothing: no event, no index row, no resource of a refused batch remains.
pub async fn a_refused_batch_writes_nothing(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    bench.append(bench.first(run(2)).take("two", resource("z"))).await;
    let lease = fence(run(1), "draft", 1);
    let draft = bench.first(run(1)).ready(ready("draft")).take("one", resource("held"));
    let head = bench.append(draft.grant(lease.clone(), TERM)).await;
    let before = (bench.head().await, bench.ready().await, bench.runs().await);
    let change = |expected| {
        let draft = bench.next(run(1), expected).says("change").unready("draft").ready(ready("other"));
        let draft = draft.end(lease.clone()).grant(fence(run(1), "other", 1), TERM);
        draft.take("one", resource("a")).free(resource("held"))
    };
    let guarded = change(head).guard(Guard::Lapsed(fence(run(1), "none", 1)));
    assert_refused!(bench.refusal(change(RunHead::START)).await, AppendError::Conflict);
    assert_refused!(bench.refusal(guarded).await, AppendError::GuardFailed);
    let busy = bench.refusal(change(head).take("one", resource("z"))).await;
    assert_refused!(busy, AppendError::Busy { .. });
    assert_eq!((bench.head().await, bench.ready().await, bench.runs().await), before);
    bench.advance(TERM).await;
    assert_eq!(bench.due().await.lapsed, [lease]);
    bench.append(bench.first(run(3)).take("three", resource("a"))).await;
    let held = bench.refusal(bench.first(run(4)).take("four", resource("held"))).await;
    assert_refused!(held, AppendError::Busy { .. });
}

/// A workflow of a thousand jobs begins with one batch.
pub async fn a_thousand_events_are_one_batch(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let mut draft = bench.first(run(1)).events(1_000);
    for number in 0..1_000 {
        draft = draft.ready(ready(&format!("job-{number}")));
    }
    let batch = draft.batch();
    let head = bench.store.append(&batch).await.unwrap();
    assert_eq!(head.version, 1_000);
    assert_eq!(bench.store.append(&batch).await.unwrap(), head);
    assert_eq!(bench.verify(&bench.chain).await, Position { seq: 1_000, digest: head.digest });
    let bodies: Bodies = bench.events_of(run(1)).await.iter().map(|event| &event.body).collect();
    assert_eq!(&bodies, batch.bodies());
}

/// An event is never older than the one before it, whatever the clock does.
pub async fn times_never_go_backwards_when_the_clock_does(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1))).await;
    if bench.turn_back(Duration::from_secs(3_600)).await == Ability::Lacking {
        return;
    }
    bench.append(bench.next(run(1), head)).await;
    bench.append(bench.first(run(2))).await;
    bench.advance(Duration::from_secs(7_200)).await;
    bench.append(bench.first(run(3))).await;
    let times: Vec<Timestamp> = bench.events(&bench.chain).await.iter().map(|event| event.at).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(times[3] > times[2], "{times:?}");
    bench.verify(&bench.chain).await;
}

/// Events are sealed at the time that the store's clock shows.
pub async fn events_carry_the_time_of_the_stores_clock(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    for number in 1..=3 {
        bench.advance(TERM).await;
        let before = bench.now().await;
        bench.append(bench.first(run(number))).await;
        let after = bench.now().await;
        let at = bench.events_of(run(number)).await[0].at;
        assert!(before <= at && at <= after, "{before:?} {at:?} {after:?}");
    }
}

/// A chain is opened before it is used; a misspelt name makes no new one.
pub async fn a_chain_that_was_not_opened_is_an_error(factory: &dyn StoreFactory) {
    let bench = Bench::empty(factory).await;
    let refusal = bench.refusal(bench.first(run(1))).await;
    assert_eq!(store_kind(&refusal), StoreErrorKind::Other);
    assert_eq!(kind(bench.store.head(&bench.chain).await), StoreErrorKind::Other);
    let genesis = Position::genesis(&bench.chain);
    assert_eq!(kind(bench.store.read(&bench.chain, genesis, 1).await), StoreErrorKind::Other);
    assert_eq!(bench.store.chains().await.unwrap(), []);
}

/// A run belongs to the chain of its first batch; a batch for another chain is a mistake, not a race.
pub async fn a_run_stays_in_its_chain(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let side = chain("side");
    bench.open_chain(&side).await;
    let first = bench.first(run(1));
    let head = bench.append(first).await;
    for expected in [head, RunHead::START] {
        let stray = Draft::new(&side, run(1), expected);
        assert_eq!(store_kind(&bench.refusal(stray).await), StoreErrorKind::Other);
    }
    assert_eq!(bench.events(&side).await, []);
    bench.append(bench.next(run(1), head)).await;
}

/// Each chain has its own numbers and digests.
pub async fn two_chains_are_independent(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let side = chain("side");
    bench.open_chain(&side).await;
    for number in 1..=4 {
        let chain = if number % 2 == 0 { &side } else { &bench.chain };
        bench.append(Draft::new(chain, run(number), RunHead::START).events(2)).await;
    }
    for chain in [&side, &bench.chain] {
        assert_eq!(bench.verify(chain).await.seq, 4);
        assert_eq!(bench.events(chain).await.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
}
