//! Cases about what is ready.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

use striatum_core::{
    id::{LaneId, RoleId},
    run::RunStatus,
    store::{Due, Guard, ReadyJob, ReadyQuery, RunHead},
};

use super::{
    StoreFactory,
    bench::{Bench, SLACK, TERM},
};
use crate::fixture::{Draft, caller, chain, fence, job, ready, resource, run, running, timer};

/// A job is ready from the batch that says so to the batch that takes it back.
pub async fn a_job_is_ready_until_an_event_says_otherwise(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1)).ready(ready("a")).ready(ready("b"))).await;
    assert_eq!(bench.ready().await, ["a", "b"]);
    let head = bench.append(bench.next(run(1), head).unready("a").unready("never")).await;
    assert_eq!(bench.ready().await, ["b"]);
    bench.append(bench.next(run(1), head).ready(ready("a"))).await;
    assert_eq!(bench.ready().await, ["a", "b"]);
}

/// What a session needs to claim a job stands in the answer.
pub async fn a_ready_job_comes_with_what_a_claim_needs(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1)).events(2).ready(ready("a"))).await;
    let mut row = ready("a");
    row.adapter = "other".to_owned();
    bench.append(bench.next(run(1), head).ready(row.clone())).await;
    let jobs = bench.store.ready(&ReadyQuery::all(caller(1), 10)).await.unwrap();
    let expected = ReadyJob {
        run: run(1),
        chain: bench.chain.clone(),
        version: 3,
        job: row.job,
        role: row.role,
        lane: row.lane,
        adapter: row.adapter,
    };
    assert_eq!(jobs, [expected]);
}

/// Within one batch, removals come before insertions.
pub async fn what_one_batch_removes_and_inserts_is_there(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let (lease, wait) = (fence(run(1), "a", 1), timer(run(1), "a", 1));
    let first = bench.first(run(1)).ready(ready("a")).grant(lease.clone(), TERM * 9);
    let head = bench.append(first.start(wait.clone(), TERM * 9)).await;
    let both = bench.next(run(1), head).unready("a").ready(ready("a")).end(lease.clone());
    let both = both.grant(lease.clone(), TERM).stop(wait.clone()).start(wait.clone(), TERM);
    let head = bench.append(both).await;
    assert_eq!(bench.ready().await, ["a"]);
    bench.advance(TERM).await;
    assert_eq!(bench.due().await, Due { lapsed: vec![lease], next: None });
    bench.append(bench.next(run(1), head).guard(Guard::Due(wait))).await;
}

/// Only a run that is running, not paused and with room hands out jobs.
pub async fn a_run_that_hands_out_nothing_shows_no_jobs(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let mut paused = running();
    paused.paused = true;
    let mut full = running();
    full.room = 0;
    let closed = RunStatus::ALL.iter().filter(|status| **status != RunStatus::Running).map(|status| {
        let mut row = running();
        row.status = *status;
        row
    });
    let mut head = bench.append(bench.first(run(1)).ready(ready("a"))).await;
    for row in [paused, full].into_iter().chain(closed) {
        head = bench.append(bench.next(run(1), head).row(row.clone())).await;
        assert_eq!(bench.ready().await, [""; 0], "{row:?}");
        head = bench.append(bench.next(run(1), head)).await;
        assert_eq!(bench.ready().await, ["a"], "after {row:?}");
    }
}

/// A job that waits appears when its timer runs out, without an event; a stopped timer is none.
pub async fn a_job_that_waits_is_ready_when_its_timer_has_run_out(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let mut waits = ready("a");
    waits.timer = Some(timer(run(1), "a", 1));
    let mut stopped = ready("b");
    stopped.timer = Some(timer(run(1), "b", 1));
    let draft = bench.first(run(1)).ready(waits).ready(stopped).start(timer(run(1), "a", 1), TERM);
    let head = bench.append(draft.start(timer(run(1), "b", 1), TERM)).await;
    assert_eq!(bench.ready().await, [""; 0]);
    bench.append(bench.next(run(1), head).stop(timer(run(1), "b", 1))).await;
    assert_eq!(bench.ready().await, ["b"]);
    bench.advance(TERM - SLACK).await;
    assert_eq!(bench.ready().await, ["b"]);
    bench.advance(SLACK).await;
    assert_eq!(bench.ready().await, ["a", "b"]);
}

/// Resources span runs: a job appears when the last that it needs is freed.
pub async fn a_job_whose_resource_is_held_is_not_ready(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let mut needs = ready("a");
    needs.resources = vec![resource("db"), resource("port")];
    bench.append(bench.first(run(1)).ready(needs)).await;
    assert_eq!(bench.ready().await, ["a"]);
    let other = bench.append(bench.first(run(2)).take("two", resource("db"))).await;
    let third = bench.append(bench.first(run(3)).take("three", resource("port"))).await;
    assert_eq!(bench.ready().await, [""; 0]);
    bench.append(bench.next(run(2), other).free(resource("db"))).await;
    assert_eq!(bench.ready().await, [""; 0]);
    bench.append(bench.next(run(3), third).free(resource("port"))).await;
    assert_eq!(bench.ready().await, ["a"]);
}

/// By chain, run, role, lane and adapter, alone and together.
pub async fn ready_jobs_are_filtered(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let side = chain("side");
    bench.open_chain(&side).await;
    let row = |name: &str, role: &str, lane: &str, adapter: &str| {
        let mut row = ready(name);
        row.role = RoleId::new(role).unwrap();
        row.lane = LaneId::new(lane).unwrap();
        row.adapter = adapter.to_owned();
        row
    };
    let first = bench.first(run(1)).ready(row("a", "author", "fast", "x"));
    bench.append(first.ready(row("b", "critic", "slow", "y"))).await;
    bench.append(bench.first(run(2)).ready(row("c", "author", "slow", "z"))).await;
    bench.append(Draft::new(&side, run(3), RunHead::START).ready(row("d", "critic", "fast", "x"))).await;
    let (author, slow) = (RoleId::new("author").ok(), LaneId::new("slow").ok());
    let main = Some(bench.chain.clone());
    let all = ReadyQuery::all(caller(1), 10);
    let table: [(ReadyQuery, &[&str]); 10] = [
        (all.clone(), &["a", "b", "c", "d"]),
        (ReadyQuery { chain: main.clone(), ..all.clone() }, &["a", "b", "c"]),
        (ReadyQuery { chain: Some(side.clone()), ..all.clone() }, &["d"]),
        (ReadyQuery { run: Some(run(1)), ..all.clone() }, &["a", "b"]),
        (ReadyQuery { run: Some(run(1)), chain: Some(side), ..all.clone() }, &[]),
        (ReadyQuery { run: Some(run(2)), chain: main, ..all.clone() }, &["c"]),
        (ReadyQuery { role: author.clone(), ..all.clone() }, &["a", "c"]),
        (ReadyQuery { lane: slow.clone(), ..all.clone() }, &["b", "c"]),
        (ReadyQuery { adapters: vec!["x".to_owned(), "z".to_owned()], ..all.clone() }, &["a", "c", "d"]),
        (ReadyQuery { role: author, lane: slow, adapters: vec!["z".to_owned()], ..all }, &["c"]),
    ];
    for (query, expected) in table {
        assert_eq!(bench.asked(query.clone()).await, expected, "{query:?}");
    }
}

/// For a while a job belongs to whom it was shown, so that callers do not run into each other.
pub async fn a_job_shown_to_one_caller_is_withheld_from_others(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    bench.append(bench.first(run(1)).ready(ready("a")).ready(ready("b"))).await;
    let ask = |number| ReadyQuery { hold: TERM, ..ReadyQuery::all(caller(number), 1) };
    let one = bench.asked(ask(1)).await;
    let two = bench.asked(ask(2)).await;
    assert_eq!((one.len(), two.len()), (1, 1));
    assert_ne!(one, two);
    assert_eq!(bench.asked(ask(3)).await, [""; 0]);
    assert_eq!(bench.asked(ask(1)).await, one);
    assert_eq!(bench.asked(ask(2)).await, two);
}

/// Who was shown a job and went away keeps it from nobody for long.
pub async fn a_withheld_job_is_shown_again_after_the_hold(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    bench.append(bench.first(run(1)).ready(ready("a"))).await;
    let ask = |number| ReadyQuery { hold: TERM, ..ReadyQuery::all(caller(number), 10) };
    assert_eq!(bench.asked(ask(1)).await, ["a"]);
    bench.advance(TERM - SLACK).await;
    assert_eq!(bench.asked(ask(2)).await, [""; 0]);
    bench.advance(SLACK).await;
    assert_eq!(bench.asked(ask(2)).await, ["a"]);
    assert_eq!(bench.asked(ask(1)).await, [""; 0]);
}

/// Whoever only looks takes nothing away from others.
pub async fn a_hold_of_no_length_withholds_nothing(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    bench.append(bench.first(run(1)).ready(ready("a"))).await;
    for number in 1..=3 {
        assert_eq!(bench.asked(ReadyQuery::all(caller(number), 10)).await, ["a"]);
    }
}

/// Only the jobs that were in the answer are withheld.
pub async fn a_job_that_was_not_shown_is_not_withheld(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    bench.append(bench.first(run(1)).ready(ready("a")).ready(ready("b"))).await;
    let none = ReadyQuery { hold: TERM, adapters: vec!["other".to_owned()], ..ReadyQuery::all(caller(1), 9) };
    assert_eq!(bench.asked(none).await, [""; 0]);
    let shown = bench.asked(ReadyQuery { hold: TERM, ..ReadyQuery::all(caller(1), 1) }).await;
    assert_eq!(shown.len(), 1);
    assert_eq!(bench.ready().await.len(), 1);
    assert!(!bench.ready().await.contains(&shown[0]));
}

/// Whoever was refused jobs sees as many others as if those were not there, and withholds none of them.
pub async fn jobs_that_the_caller_was_refused_do_not_use_up_the_limit(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    bench.append(bench.first(run(1)).ready(ready("a")).ready(ready("b")).ready(ready("c"))).await;
    bench.append(bench.first(run(2)).ready(ready("a")).ready(ready("d"))).await;
    let ask = |number, limit, except: &[(u8, &str)]| ReadyQuery {
        hold: TERM,
        except: except.iter().map(|(number, name)| (run(*number), job(name))).collect(),
        ..ReadyQuery::all(caller(number), limit)
    };
    assert_eq!(bench.asked(ask(1, 2, &[(1, "a"), (1, "b"), (2, "d"), (3, "c")])).await, ["a", "c"]);
    let shown = bench.store.ready(&ask(2, 9, &[(1, "b")])).await.unwrap();
    let mut shown: Vec<_> = shown.into_iter().map(|job| (job.run, job.job.to_string())).collect();
    shown.sort_unstable();
    assert_eq!(shown, [(run(1), "a".to_owned()), (run(2), "d".to_owned())]);
    assert_eq!(bench.asked(ask(3, 9, &[])).await, ["b"]);
    let all = [(1, "a"), (1, "b"), (1, "c"), (2, "a"), (2, "d")];
    assert_eq!(bench.asked(ask(3, 9, &all)).await, [""; 0]);
    let many: Vec<_> = (0..20_000).map(|_| (1, "b")).collect();
    assert_eq!(bench.asked(ask(3, 9, &many)).await, [""; 0]);
}

/// A run with many jobs does not hide the others.
pub async fn every_run_is_shown_before_a_second_job_of_one(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    for number in 1..=4 {
        let mut draft = bench.first(run(number));
        for name in ["a", "b", "c", "d", "e"] {
            draft = draft.ready(ready(name));
        }
        bench.append(draft).await;
    }
    let jobs = bench.store.ready(&ReadyQuery::all(caller(1), 8)).await.unwrap();
    let mut runs: Vec<_> = jobs.iter().map(|job| job.run).collect();
    assert_eq!(runs.len(), 8);
    for round in runs.chunks_mut(4) {
        round.sort_unstable();
        assert_eq!(round, [run(1), run(2), run(3), run(4)]);
    }
}
