//! Cases about rebuilding the index from events.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

use striatum_core::{
    id::RunId,
    run::RunStatus,
    store::{AppendError, Due, Guard, ReadyJob, ReadyQuery, RunHead, RunSummary, StoreErrorKind},
};

use super::{
    Ability, StoreFactory,
    bench::{Bench, SLACK, TERM, assert_refused, store_kind},
};
use crate::fixture::{Draft, caller, fence, holder, ready, resource, run, running, timer};

/// The index of a run that has seen everything, by deltas, and what a rebuilding from its events gives.
async fn grown(bench: &Bench<'_>, id: RunId) -> (RunHead, Draft) {
    let (old, new) = (fence(id, "b", 1), fence(id, "b", 2));
    let wait = timer(id, "c", 1);
    let mut waits = ready("c");
    waits.timer = Some(wait.clone());
    let first = bench.first(id).ready(ready("a")).ready(ready("b")).ready(waits.clone());
    let head = bench.append(first.start(wait.clone(), TERM).start(timer(id, "d", 1), TERM)).await;
    let claim = bench.next(id, head).unready("b").grant(old.clone(), TERM * 2);
    let head = bench.append(claim.take("b", resource("db"))).await;
    let again = bench.next(id, head).end(old).grant(new.clone(), TERM).stop(timer(id, "d", 1));
    let mut row = running();
    row.room = 7;
    let head = bench.append(again.row(row.clone())).await;
    let rebuilt = bench.next(id, head).row(row).ready(ready("a")).ready(waits);
    (head, rebuilt.grant(new, TERM).start(wait, TERM).take("b", resource("db")))
}

/// What queries say now, and when all terms are over.
type Answers = (Vec<ReadyJob>, Vec<RunSummary>, Due);

async fn answers(bench: &Bench<'_>) -> Answers {
    let ready = bench.store.ready(&ReadyQuery::all(caller(1), 100)).await.unwrap();
    (ready, bench.runs().await, Due { next: None, ..bench.due().await })
}

/// The index is nothing but what the events say: written anew, it answers as it did.
pub async fn a_rebuilt_index_equals_the_grown_one(factory: &dyn StoreFactory) {
    let (one, two) = (Bench::new(factory).await, Bench::new(factory).await);
    grown(&one, run(1)).await;
    let (head, rebuilt) = grown(&two, run(1)).await;
    two.drop_indexes().await;
    two.store.reindex(&run(1), head, &rebuilt.delta()).await.unwrap();
    for wait in [SLACK, TERM] {
        one.advance(wait).await;
        two.advance(wait).await;
        let (expected, found) = (answers(&one).await, answers(&two).await);
        assert_eq!((found.0, found.2), (expected.0, expected.2));
        assert_eq!((&found.1[0].row, found.1[0].run), (&expected.1[0].row, expected.1[0].run));
        assert_eq!(found.1[0].head, head);
    }
    let expected = holder(run(1), "b");
    assert_refused!(
        two.refusal(two.first(run(2)).take("two", resource("db"))).await,
        AppendError::Busy { ref holder, .. } if *holder == expected
    );
}

/// Rows that no event explains are gone; other runs keep theirs.
pub async fn reindexing_replaces_all_rows_of_one_run(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let stale = |id| {
        let draft = bench.first(id).ready(ready("stale")).grant(fence(id, "stale", 1), TERM);
        draft.start(timer(id, "stale", 1), TERM)
    };
    let head = bench.append(stale(run(1))).await;
    let other = bench.append(stale(run(2))).await;
    let fresh = bench.next(run(1), head).ready(ready("fresh")).status(RunStatus::Running).delta();
    bench.store.reindex(&run(1), head, &fresh).await.unwrap();
    assert_eq!(bench.ready().await, ["fresh", "stale"]);
    bench.advance(TERM).await;
    assert_eq!(bench.due().await, Due { lapsed: vec![fence(run(2), "stale", 1)], next: None });
    let waited = |id, head| bench.next(id, head).says("late").guard(Guard::Due(timer(id, "stale", 1)));
    assert_refused!(bench.refusal(waited(run(1), head)).await, AppendError::GuardFailed);
    bench.append(waited(run(2), other)).await;
    let status = RunStatus::Completed;
    let ended = bench.next(run(1), head).status(status).delta();
    bench.store.reindex(&run(1), head, &ended).await.unwrap();
    assert_eq!(bench.ready().await, ["stale"]);
    assert!(bench.runs().await.iter().any(|item| item.run == run(1) && item.row.status == status));
    assert_eq!(bench.head().await.seq, 3);
}

/// A repair that is run again and again keeps no dead lease alive, and takes back no renewal.
pub async fn reindexing_keeps_the_deadlines_that_stand(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let (short, long) = (fence(run(1), "short", 1), fence(run(1), "long", 1));
    let wait = timer(run(1), "wait", 1);
    let index =
        |draft: Draft| draft.grant(short.clone(), TERM).grant(long.clone(), TERM).start(wait.clone(), TERM);
    let head = bench.append(index(bench.first(run(1)))).await;
    bench.store.renew(&[(long.clone(), TERM * 2)]).await.unwrap();
    for _ in 0..2 {
        bench.advance(TERM / 2).await;
        let rebuilt = index(bench.next(run(1), head)).delta();
        bench.store.reindex(&run(1), head, &rebuilt).await.unwrap();
    }
    assert_eq!(bench.due().await.lapsed, [short]);
    bench.append(bench.next(run(1), head).guard(Guard::Due(wait))).await;
    bench.advance(TERM).await;
    assert_eq!(bench.due().await.lapsed.len(), 2);
}

/// What no row stands for begins anew, from the moment of the repair.
pub async fn what_reindexing_brings_back_gets_a_full_term(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let lease = fence(run(1), "draft", 1);
    let wait = timer(run(1), "other", 1);
    let full = |draft: Draft| draft.grant(lease.clone(), TERM).start(wait.clone(), TERM);
    let head = bench.append(full(bench.first(run(1)))).await;
    bench.advance(TERM / 2).await;
    let successor = bench.next(run(1), head).grant(fence(run(1), "draft", 2), TERM).delta();
    bench.store.reindex(&run(1), head, &successor).await.unwrap();
    let rebuilt = full(bench.next(run(1), head)).delta();
    bench.store.reindex(&run(1), head, &rebuilt).await.unwrap();
    bench.advance(TERM - SLACK).await;
    assert_eq!(bench.due().await.lapsed, []);
    let claim = |text| bench.next(run(1), head).says(text).guard(Guard::Due(wait.clone()));
    assert_refused!(bench.refusal(claim("early")).await, AppendError::GuardFailed);
    bench.advance(SLACK).await;
    assert_eq!(bench.due().await, Due { lapsed: vec![lease.clone()], next: None });
    bench.append(claim("in time")).await;
}

/// A run holds what its events say and nothing else; what others hold stays theirs.
pub async fn reindexing_replaces_what_a_run_holds(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1)).take("old", resource("a")).take("old", resource("b"))).await;
    bench.append(bench.first(run(2)).take("other", resource("d"))).await;
    let index = bench.next(run(1), head).take("new", resource("c")).take("new", resource("b"));
    bench.store.reindex(&run(1), head, &index.free(resource("d")).delta()).await.unwrap();
    bench.append(bench.first(run(3)).take("third", resource("a"))).await;
    for (name, expected) in
        [("b", holder(run(1), "new")), ("c", holder(run(1), "new")), ("d", holder(run(2), "other"))]
    {
        let refusal = bench.refusal(bench.first(run(4)).take("fourth", resource(name))).await;
        assert_refused!(refusal, AppendError::Busy { ref holder, .. } if *holder == expected);
    }
}

/// A repair takes nothing away from another run, and then changes nothing at all.
pub async fn reindexing_what_another_run_holds_is_busy(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let lease = fence(run(1), "old", 1);
    let draft = bench.first(run(1)).ready(ready("old")).grant(lease.clone(), TERM).take("old", resource("a"));
    let head = bench.append(draft).await;
    bench.append(bench.first(run(2)).take("other", resource("c"))).await;
    bench.append(bench.first(run(3)).take("third", resource("b"))).await;
    let index = bench.next(run(1), head).status(RunStatus::Completed).inactive().ready(ready("new"));
    let index = index.take("new", resource("c")).take("new", resource("b")).delta();
    let before = (bench.ready().await, bench.runs().await);
    let (answer, expected) = (bench.store.reindex(&run(1), head, &index).await, holder(run(3), "third"));
    assert_refused!(
        answer,
        Err(AppendError::Busy { resource: ref found, ref holder })
            if *found == resource("b") && *holder == expected
    );
    assert_eq!((bench.ready().await, bench.runs().await), before);
    bench.advance(TERM).await;
    assert_eq!(bench.due().await.lapsed, [lease]);
    let refusal = bench.refusal(bench.first(run(4)).take("fourth", resource("a"))).await;
    assert_refused!(refusal, AppendError::Busy { .. });
}

/// A store is given an index that nobody has checked.
pub async fn an_index_that_is_not_sound_is_refused(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1)).ready(ready("a"))).await;
    let other = bench.append(bench.first(run(2))).await;
    let foreign = bench.next(run(2), other).grant(fence(run(2), "a", 1), TERM).delta();
    let twice = bench.next(run(1), head).take("a", resource("db")).take("b", resource("db")).delta();
    for index in [foreign, twice] {
        let refusal = bench.store.reindex(&run(1), head, &index).await.unwrap_err();
        assert_eq!(store_kind(&refusal), StoreErrorKind::Other);
    }
    assert_eq!(bench.ready().await, ["a"]);
}

/// An index that was computed from older events does not replace the newer one.
pub async fn reindexing_a_run_that_has_moved_conflicts(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let old = bench.append(bench.first(run(1)).ready(ready("a"))).await;
    let new = bench.append(bench.next(run(1), old).ready(ready("b"))).await;
    let index = bench.next(run(1), old).delta();
    for expected in [old, RunHead::START, RunHead { digest: old.digest, ..new }] {
        assert_refused!(bench.store.reindex(&run(1), expected, &index).await, Err(AppendError::Conflict));
    }
    assert_eq!(bench.ready().await, ["a", "b"]);
    let unknown = bench.store.reindex(&run(9), RunHead::START, &index).await.unwrap_err();
    assert_eq!(store_kind(&unknown), StoreErrorKind::Other);
}

/// Without its index a run shows nothing, but it can be read, appended to and indexed again.
pub async fn a_store_without_its_indexes_still_appends(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1)).ready(ready("a")).ready(ready("b"))).await;
    if bench.drop_indexes().await == Ability::Lacking {
        return;
    }
    assert_eq!(bench.ready().await, [""; 0]);
    assert_eq!(bench.events_of(run(1)).await.len(), 1);
    let head = bench.append(bench.next(run(1), head).unready("b")).await;
    let index = bench.next(run(1), head).ready(ready("a")).delta();
    bench.store.reindex(&run(1), head, &index).await.unwrap();
    assert_eq!(bench.ready().await, ["a"]);
    assert_eq!(bench.runs().await[0].head, head);
}
