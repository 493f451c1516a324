//! The index that grows by deltas is the one that is built from the events.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;
use striatum_core::{
    engine::EngineError,
    id::{Fence, InstanceId, RunId},
    run::{Command, DeliveryMode, Intent},
    store::{ReadyJob, ReadyQuery, RunQuery, RunRow, Store},
};

use super::table::{Table, now};
use crate::{
    document::{Document, checkpoint, diamond, nested},
    drive::{RUN, chain, claim, command_id, session},
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

/// Three jobs of a group, two of which may write to one place.
fn grouped() -> Document {
    let mut jobs = Document::new();
    for (id, path) in [("a", "src/x"), ("b", "src"), ("c", "docs")] {
        let scope = json!({"mode": "repo_write", "allowed_paths": [path, "out"]});
        jobs = jobs.job(id, "draft").with("parallel_group", "g").with("write_scope", scope);
    }
    jobs.top("parallelism", json!({"max_active_jobs": 3, "require_disjoint_write_scopes": false}))
}

/// `whole` wants a database, `x` and `y` a part of it each, and `also_x` the same part as `x`.
fn sharing() -> Document {
    let part = |of: &str| json!([{"id": "db", "mode": "per_lane_namespace", "namespace": of}]);
    let jobs = Document::new().job("whole", "draft").with("shared_resources", json!(["db"]));
    let jobs = jobs.job("x", "build").with("shared_resources", part("x"));
    let jobs = jobs.job("y", "build").with("shared_resources", part("y"));
    jobs.job("also_x", "build").with("shared_resources", part("x"))
}

#[test]
fn who_wants_what_is_held_is_neither_shown_nor_let_in_until_it_is_free() {
    let table = Table::new();
    table.started(&sharing());
    let shown = || {
        table.hand.advance(Duration::from_secs(30));
        let all = ReadyQuery::all(InstanceId::from_bytes([1; 16]), 10);
        let jobs = now(table.memory.ready(&all)).unwrap().into_iter();
        jobs.map(|ready| ready.job.to_string()).collect::<BTreeSet<_>>()
    };
    let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
    let refused = |id| table.try_to(Intent::Claim(claim(id, session(99), DeliveryMode::Push))).unwrap_err();
    assert_eq!(shown(), set(&["whole", "x", "y", "also_x"]));
    let x = table.claim("x");
    assert_eq!(shown(), set(&["y"]));
    for id in ["whole", "also_x"] {
        let error = refused(id);
        assert_eq!(
            (error.code(), error.to_string().contains("repository/db/x[0]")),
            ("resource_busy", true),
            "{error}"
        );
    }
    let y = table.claim("y");
    table.must(table.submission(&x));
    assert_eq!(shown(), set(&["also_x"]));
    table.must(table.submission(&y));
    assert_eq!(shown(), set(&["whole", "also_x"]));
    table.claim("whole");
    assert_eq!(shown(), set(&[]));
}

#[test]
fn a_resource_is_shared_by_all_runs_of_a_repository() {
    let table = Table::new();
    table.started(&sharing());
    let other = RunId::from_bytes([8; 16]);
    table.prepare(other, &sharing());
    for intent in [Intent::ConfirmBranch { branch: "o".to_owned(), at: None }, Intent::Start] {
        now(table.engine.execute(other, table.command(intent))).unwrap();
    }
    let take = |id| table.command(Intent::Claim(claim(id, session(50), DeliveryMode::Push)));
    now(table.engine.execute(other, take("whole"))).unwrap();
    let error = table.try_to(take("x").intent).unwrap_err();
    assert_eq!(error.code(), "resource_busy");
}

#[test]
fn the_index_by_deltas_equals_the_index_from_events() {
    let tried = Document::new().job("a", "draft").with("max_attempts", 3).job("b", "build").edge("a", "b");
    let documents =
        [nested(), checkpoint(), diamond().at_once(2).tolerate(1, 1), tried, grouped(), sharing()];
    for document in documents {
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
                    Err(EngineError::Rejected(_) | EngineError::GuardFailed | EngineError::Busy { .. }) => {
                        continue;
                    }
                    Err(error) => panic!("seed {seed}, step {step}: {error}"),
                }
                let grown = index(&table);
                now(table.engine.reindex(RUN)).unwrap();
                assert_eq!(grown, index(&table), "seed {seed}, step {step}");
            }
            let view = now(table.another().load(RUN)).unwrap();
            assert_eq!((view.state, view.head.version), (state.as_ref().clone(), state.version()));
        }
    }
}
