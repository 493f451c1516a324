//! The index that grows by deltas is the one that is built from the events.

use std::time::Duration;

use striatum_core::{
    engine::EngineError,
    id::{Fence, InstanceId},
    run::Command,
    store::{ReadyJob, ReadyQuery, RunQuery, RunRow, Store},
};

use super::table::{Table, now};
use crate::{
    document::{Document, checkpoint, diamond, nested},
    drive::{RUN, chain, command_id},
    play::{People, Player},
};

/// All that the index knows of the run, seen from the end of time, so that deadlines do not count.
fn index(table: &Table) -> (Vec<ReadyJob>, Vec<Fence>, Vec<RunRow>) {
    let all = ReadyQuery::all(InstanceId::from_bytes([1; 16]), 1000);
    let runs = now(table.memory.runs(&RunQuery { limit: 10, ..RunQuery::default() })).unwrap();
    table.hand.advance(Duration::from_secs(1_000_000));
    let (ready, mut due) =
        (now(table.memory.ready(&all)).unwrap(), now(table.memory.due(None, 1000)).unwrap());
    due.lapsed.sort_unstable();
    (ready, due.lapsed, runs.items.into_iter().map(|run| run.row).collect())
}

#[test]
fn the_index_by_deltas_equals_the_index_from_events() {
    let tried = Document::new().job("a", "draft").with("max_attempts", 3).job("b", "build").edge("a", "b");
    for document in [nested(), checkpoint(), diamond().at_once(2).tolerate(1, 1), tried] {
        for seed in 0..8 {
            let table = Table::new();
            let mut player = Player::new(seed, People::There);
            let prepare = now(table.engine.prepare(
                &chain(),
                RUN,
                document.snapshot(),
                command_id(0),
                crate::drive::ada(),
            ));
            let mut state = prepare.unwrap().state;
            for step in 1..80 {
                let (actor, intent) = player.next(&state);
                let command = Command { id: command_id(step), actor, intent };
                match now(table.engine.execute(RUN, command)) {
                    Ok(applied) => state = applied.state,
                    Err(EngineError::Rejected(_) | EngineError::GuardFailed) => continue,
                    Err(error) => panic!("seed {seed}, step {step}: {error}"),
                }
                let grown = index(&table);
                now(table.engine.reindex(RUN)).unwrap();
                assert_eq!(grown, index(&table), "seed {seed}, step {step}");
            }
            let view = now(table.another().load(RUN)).unwrap();
            assert_eq!((view.state, view.head.version), (state.clone(), state.version()));
        }
    }
}
