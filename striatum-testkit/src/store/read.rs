//! Cases about reading: events of a chain and of a run, and the list of runs.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

use striatum_core::{
    chain::Position,
    digest::Digest,
    run::RunStatus,
    store::{RunHead, RunQuery, StoreErrorKind},
};

use super::{
    Ability, StoreFactory,
    bench::{Bench, TERM, kind},
};
use crate::fixture::{Draft, chain, fence, ready, resource, run, running};

/// Whoever pages through a chain sees each event once, in order.
pub async fn pages_join_without_gaps(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    for number in 1..=5 {
        bench.append(bench.first(run(number)).events(2)).await;
    }
    let mut pages = Vec::new();
    let mut at = Position::genesis(&bench.chain);
    loop {
        let page = bench.store.read(&bench.chain, at, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 3);
        at = last.position();
        pages.extend(page);
    }
    assert_eq!(pages, bench.events(&bench.chain).await);
    assert_eq!(pages.iter().map(|event| event.seq).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert_eq!(at, bench.head().await);
}

/// After a restore a reader is told so, where a bare number would silently go on.
pub async fn a_cursor_with_another_digest_is_a_changed_history(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    bench.append(bench.first(run(1)).events(3)).await;
    for seq in 0..=3 {
        let cursor = Position { seq, digest: Digest::of(b"another history") };
        let answer = bench.store.read(&bench.chain, cursor, 10).await;
        assert_eq!(kind(answer), StoreErrorKind::HistoryChanged, "at {seq}");
    }
}

/// A cursor that lies beyond the head was made by a history that is gone.
pub async fn a_cursor_beyond_the_head_is_a_changed_history(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1)).events(2)).await;
    for seq in [3, 1_000, u64::from(u32::MAX), i64::MAX as u64, u64::MAX] {
        let cursor = Position { seq, digest: head.digest };
        let answer = bench.store.read(&bench.chain, cursor, 10).await;
        assert_eq!(kind(answer), StoreErrorKind::HistoryChanged, "at {seq}");
    }
    assert_eq!(bench.store.read(&bench.chain, bench.head().await, 10).await.unwrap(), []);
}

/// Runs are told apart, and each is read from any of its versions on.
pub async fn a_run_is_read_from_a_version_on(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let mut heads = [RunHead::START; 2];
    for _ in 0..3 {
        for (index, head) in heads.iter_mut().enumerate() {
            *head = bench.append(bench.next(run(index as u8), *head).events(2)).await;
        }
    }
    let events = bench.events_of(run(1)).await;
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [3, 4, 7, 8, 11, 12]);
    for (index, event) in events.iter().enumerate() {
        let after = RunHead { version: index as u64 + 1, digest: event.digest };
        let rest = bench.store.read_run(&run(1), after, 3).await.unwrap();
        assert_eq!(rest, events[index + 1..].iter().take(3).cloned().collect::<Vec<_>>());
    }
}

/// The same promise as for a chain.
pub async fn a_run_head_that_never_was_is_a_changed_history(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1)).events(2)).await;
    let other = Digest::of(b"another history");
    let never = [(0, other), (1, other), (2, other), (3, head.digest), (u64::MAX, head.digest)];
    for (version, digest) in never {
        let answer = bench.store.read_run(&run(1), RunHead { version, digest }, 10).await;
        assert_eq!(kind(answer), StoreErrorKind::HistoryChanged, "at {version}");
    }
    let answer = bench.store.read_run(&run(2), head, 10).await;
    assert_eq!(kind(answer), StoreErrorKind::HistoryChanged);
}

/// A run that nobody began is no error.
pub async fn an_unknown_run_has_no_events(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    assert_eq!(bench.store.read_run(&run(9), RunHead::START, 10).await.unwrap(), []);
}

/// A page ends where the next begins, also among runs that began at the same moment, which are listed by id.
pub async fn runs_are_listed_newest_first_in_pages(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    // Within a moment not in the order of their ids.
    for number in [3, 1, 2, 9, 8, 7, 5, 6, 4] {
        if matches!(number, 3 | 9 | 5) {
            bench.advance(TERM).await;
        }
        bench.append(bench.first(run(number))).await;
    }
    let all = bench.runs().await;
    assert_eq!(all.len(), 9);
    assert!(all.is_sorted_by(|a, b| (a.created_at, a.run) > (b.created_at, b.run)));
    let mut query = RunQuery { limit: 2, ..RunQuery::default() };
    let mut listed = Vec::new();
    loop {
        let page = bench.store.runs(&query).await.unwrap();
        assert!(page.items.len() <= 2);
        listed.extend(page.items);
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(listed, all);
}

/// A status, several, a chain, both.
pub async fn runs_are_filtered_by_status_and_chain(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let side = chain("side");
    bench.open_chain(&side).await;
    let runs = [
        (1, &bench.chain, RunStatus::Running),
        (2, &bench.chain, RunStatus::Completed),
        (3, &side, RunStatus::Running),
        (4, &bench.chain, RunStatus::Failed),
    ];
    for (number, chain, status) in runs {
        bench.append(Draft::new(chain, run(number), RunHead::START).status(status)).await;
    }
    let table = [
        (None, vec![RunStatus::Running], vec![1, 3]),
        (None, vec![RunStatus::Completed, RunStatus::Failed], vec![2, 4]),
        (Some(side.clone()), vec![], vec![3]),
        (Some(bench.chain.clone()), vec![RunStatus::Running], vec![1]),
        (Some(side), vec![RunStatus::Failed], vec![]),
        (Some(chain("none")), vec![], vec![]),
    ];
    for (chain, statuses, expected) in table {
        let query = RunQuery { chain, statuses, limit: 10, ..RunQuery::default() };
        let mut found: Vec<_> =
            bench.store.runs(&query).await.unwrap().items.iter().map(|item| item.run).collect();
        found.sort_unstable();
        assert_eq!(found, expected.into_iter().map(run).collect::<Vec<_>>(), "{query:?}");
    }
}

/// Whoever looks for work sees no run that is done with, also not between two that are not.
pub async fn active_runs_are_listed_alone_where_asked_for(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let side = chain("side");
    bench.open_chain(&side).await;
    let mut heads = Vec::new();
    for number in 0..6 {
        bench.advance(TERM).await;
        let chain = if number == 5 { &side } else { &bench.chain };
        let draft = Draft::new(chain, run(number), RunHead::START).status(RunStatus::Completed);
        heads.push(bench.append(if number % 2 == 0 { draft.inactive() } else { draft }).await);
    }
    let active = RunQuery { active: true, limit: 2, ..RunQuery::default() };
    let main = RunQuery { chain: Some(bench.chain.clone()), ..active.clone() };
    let listed = async |query: &RunQuery| {
        let page = bench.store.runs(query).await.unwrap();
        (page.items.into_iter().map(|item| item.run).collect::<Vec<_>>(), page.next)
    };
    let (first, next) = listed(&active).await;
    assert_eq!((first, next.is_some()), (vec![run(5), run(3)], true));
    assert_eq!(listed(&RunQuery { after: next, ..active.clone() }).await, (vec![run(1)], None));
    assert_eq!(listed(&main).await, (vec![run(3), run(1)], None));
    let failed = RunQuery { statuses: vec![RunStatus::Failed], ..active };
    assert_eq!(listed(&failed).await, (vec![], None));
    bench.append(bench.next(run(3), heads[3]).inactive()).await;
    bench.append(bench.next(run(2), heads[2])).await;
    let index = bench.next(run(4), heads[4]).delta();
    bench.store.reindex(&run(4), heads[4], &index).await.unwrap();
    assert_eq!(listed(&RunQuery { limit: 9, ..main }).await, (vec![run(4), run(2), run(1)], None));
}

/// Head, row and times are those of the last batch.
pub async fn a_summary_says_what_the_last_batch_said(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1))).await;
    bench.advance(TERM).await;
    let mut row = running();
    (row.status, row.paused, row.room) = (RunStatus::NeedsOperator, true, 3);
    let head = bench.append(bench.next(run(1), head).row(row.clone())).await;
    let [summary] = <[_; 1]>::try_from(bench.runs().await).unwrap();
    let events = bench.events_of(run(1)).await;
    assert_eq!((summary.run, summary.chain, summary.head, summary.row), (run(1), bench.chain, head, row));
    assert_eq!((summary.created_at, summary.updated_at), (events[0].at, events[1].at));
}

/// One damaged event stops one run; the others go on.
pub async fn a_damaged_event_is_corrupt_for_its_run_alone(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    bench.append(bench.first(run(1)).events(3)).await;
    bench.append(bench.first(run(2)).events(3)).await;
    if bench.damage(run(1), 2).await == Ability::Lacking {
        return;
    }
    let bench = bench.reopen().await;
    let answer = bench.store.read_run(&run(1), RunHead::START, 10).await;
    assert_eq!(kind(answer), StoreErrorKind::Corrupt);
    assert_eq!(bench.events_of(run(2)).await.len(), 3);
}

/// What was acknowledged is there after closing and opening: events, heads and every index.
pub async fn what_was_appended_survives_closing(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let lease = fence(run(1), "held", 1);
    let draft = bench.first(run(1)).events(3).ready(ready("draft")).grant(lease.clone(), TERM);
    let batch = draft.take("one", resource("db")).batch();
    let head = bench.store.append(&batch).await.unwrap();
    let before = (bench.head().await, bench.events_of(run(1)).await, bench.runs().await);
    let bench = bench.reopen().await;
    assert_eq!((bench.head().await, bench.events_of(run(1)).await, bench.runs().await), before);
    assert_eq!(bench.ready().await, ["draft"]);
    assert_eq!(bench.store.append(&batch).await.unwrap(), head);
    assert!(bench.store.append(&bench.first(run(2)).take("two", resource("db")).batch()).await.is_err());
    bench.advance(TERM).await;
    assert_eq!(bench.due().await.lapsed, [lease]);
    bench.append(bench.next(run(1), head)).await;
    bench.verify(&bench.chain).await;
}
