//! Cases about resources, of which there is a limited number across runs.

use striatum_core::store::{AppendError, Resource, RunHead};

use super::{
    StoreFactory,
    bench::{Bench, assert_refused},
};
use crate::fixture::{holder, resource, run};

/// The refusal names the resource and who has it.
pub async fn a_resource_has_one_holder(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    bench.append(bench.first(run(1)).take("a", resource("db"))).await;
    let refusal = bench.refusal(bench.first(run(2)).take("a", resource("db"))).await;
    let expected = holder(run(1), "a");
    assert_refused!(
        refusal,
        AppendError::Busy { resource: ref found, ref holder } if *found == resource("db") && *holder == expected
    );
}

/// Another job of the same run is another holder.
pub async fn a_resource_is_not_shared_within_a_run(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1)).take("a", resource("db"))).await;
    let refusal = bench.refusal(bench.next(run(1), head).take("b", resource("db"))).await;
    let expected = holder(run(1), "a");
    assert_refused!(refusal, AppendError::Busy { ref holder, .. } if *holder == expected);
    bench.append(bench.next(run(1), head).take("a", resource("db"))).await;
}

/// Slots, names and scopes are different resources.
pub async fn a_limit_of_two_is_two_slots(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let slot = |slot| Resource { slot, ..resource("lane") };
    bench.append(bench.first(run(1)).take("one", slot(0))).await;
    bench.append(bench.first(run(2)).take("two", slot(1))).await;
    let elsewhere = Resource { scope: "other".to_owned(), ..slot(0) };
    bench.append(bench.first(run(3)).take("three", elsewhere).take("three", resource("other"))).await;
    assert_refused!(bench.refusal(bench.first(run(4)).take("four", slot(1))).await, AppendError::Busy { .. });
}

/// In key order, so that two stores refuse with the same words.
pub async fn the_first_busy_resource_is_named(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    bench.append(bench.first(run(1)).take("one", resource("c"))).await;
    bench.append(bench.first(run(2)).take("two", resource("b"))).await;
    let draft = bench.first(run(3)).take("three", resource("c")).take("three", resource("a"));
    let refusal = bench.refusal(draft.take("three", resource("b"))).await;
    let expected = holder(run(2), "two");
    assert_refused!(
        refusal,
        AppendError::Busy { resource: ref found, ref holder } if *found == resource("b") && *holder == expected
    );
}

/// What its holder's run freed may be taken by the next.
pub async fn a_freed_resource_can_be_taken(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let mut head = [RunHead::START; 2];
    for turn in 0..4_u8 {
        let index = usize::from(turn % 2);
        let id = run(turn % 2);
        head[index] = bench.append(bench.next(id, head[index]).take("it", resource("db"))).await;
        head[index] = bench.append(bench.next(id, head[index]).free(resource("db"))).await;
    }
}

/// A run frees only what is its own.
pub async fn freeing_what_another_run_holds_changes_nothing(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    bench.append(bench.first(run(1)).take("one", resource("db"))).await;
    let head = bench.append(bench.first(run(2)).free(resource("db")).free(resource("none"))).await;
    let both = bench.next(run(2), head).free(resource("db")).take("two", resource("db"));
    let expected = holder(run(1), "one");
    assert_refused!(bench.refusal(both).await, AppendError::Busy { ref holder, .. } if *holder == expected);
}

/// One append hands a resource from one job of a run to the next.
pub async fn what_is_freed_is_free_before_anything_is_taken(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1)).take("a", resource("db"))).await;
    bench.append(bench.next(run(1), head).free(resource("db")).take("b", resource("db"))).await;
    let refusal = bench.refusal(bench.first(run(2)).take("two", resource("db"))).await;
    let expected = holder(run(1), "b");
    assert_refused!(refusal, AppendError::Busy { ref holder, .. } if *holder == expected);
}
