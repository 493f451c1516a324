//! What the audit chain says afterwards.

use std::sync::Arc;

use serde_json::{Value, json};
use striatum_core::{
    run::Actor,
    store::{MemoryStore, StoreExt as _},
};
use striatum_server::authority::Capability;
use striatum_testkit::{
    clock::ManualClock,
    faulty::{Fault, FaultyStore},
};

use super::bench::{Bench, Failed, reviewed};

async fn rows(bench: &Bench, token: &str) -> Result<Vec<Value>, Failed> {
    let (_, page) = bench.get(token, "/v1/audit?limit=200").await?;
    let bodies = page["items"].as_array().into_iter().flatten().map(|row| row["body"].clone());
    Ok(bodies.collect())
}

#[tokio::test]
async fn every_change_and_every_refusal_has_a_row_with_a_digest_of_what_was_asked() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, reviewed()).await?;
    let reader = bench.token(Actor::Service("dash".to_owned()), &[Capability::Read])?;
    let cancel = format!("/v1/runs/{run}/cancel");
    bench.post(&reader, &cancel, json!({ "reason": "a secret" })).await?;
    let (_, done) =
        bench.post(&ada, &cancel, json!({ "reason": "a secret", "request_id": "0c".repeat(16) })).await?;

    let rows = rows(&bench, &ada).await?;
    let operations: Vec<_> = rows.iter().filter_map(|row| row["data"]["operation"].as_str()).collect();
    assert_eq!(operations, ["prepare_run", "confirm_branch", "start_run", "cancel_run", "cancel_run"]);
    let (refused, accepted) = (&rows[3]["data"], &rows[4]["data"]);
    assert_eq!(refused["outcome"], json!({ "refused": { "code": "capability_missing" } }));
    assert_eq!(refused["by"]["actor"], json!({ "service": "dash" }));
    let last = done["version"].as_u64().unwrap();
    assert_eq!(accepted["outcome"]["done"]["events"][1], last);
    assert_eq!((&accepted["request"], &accepted["about"]), (&json!("0c".repeat(16)), &json!(run)));
    assert_eq!(refused["parameters"], accepted["parameters"]);
    assert!(!serde_json::to_string(&rows)?.contains("a secret"));

    // The events name the same request.
    let (_, events) = bench.get(&ada, &format!("/v1/runs/{run}/events?limit=200")).await?;
    let cancelled = events["items"].as_array().and_then(|items| items.last()).cloned().unwrap_or_default();
    assert_eq!(cancelled["body"]["command"]["id"], accepted["request"]);
    let audit = striatum_testkit::fixture::chain("audit");
    assert_eq!(bench.engine.store().verify(&audit, None, |_| {}).await?.seq, rows.len() as u64);
    Ok(())
}

#[tokio::test]
async fn a_change_that_cannot_be_written_down_is_not_acknowledged_and_the_next_not_begun()
-> Result<(), Failed> {
    let clock = ManualClock::default();
    let faulty = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new(Arc::new(clock.clone())))));
    let bench = Bench::over(faulty.clone(), clock).await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, reviewed()).await?;
    let pause = format!("/v1/runs/{run}/pause");
    let id = json!({ "request_id": "0d".repeat(16) });

    // The command lands, its row does not.
    faulty.meets(Fault::Slow(0));
    faulty.meets(Fault::FullDisk);
    let (status, refused) = bench.post(&ada, &pause, id.clone()).await?;
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("audit_unavailable")));
    let (status, refused) = bench.post(&ada, &format!("/v1/runs/{run}/cancel"), json!({})).await?;
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("audit_unavailable")));
    assert_eq!(bench.get(&ada, &format!("/v1/runs/{run}")).await?.1["status"], "running", "it was not begun");

    faulty.recover();
    let (status, again) = bench.post(&ada, &pause, id).await?;
    assert_eq!((status, &again["repeated"]), (200, &json!(true)), "{again}");
    let rows = rows(&bench, &ada).await?;
    let last = rows.last().cloned().unwrap_or_default();
    assert_eq!(
        (&last["data"]["operation"], &last["data"]["request"]),
        (&json!("pause_run"), &json!("0d".repeat(16)))
    );
    // The refusal of the cancellation was written down when there was space again, or it was counted.
    let written = rows.iter().filter(|row| row["data"]["operation"] == "cancel_run").count();
    let counted: u64 = rows.iter().filter_map(|row| row["data"]["lost"].as_u64()).sum();
    assert_eq!(written as u64 + counted, 1, "{rows:?}");
    Ok(())
}

#[tokio::test]
async fn a_row_whose_answer_is_lost_stands_once() -> Result<(), Failed> {
    let clock = ManualClock::default();
    let faulty = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new(Arc::new(clock.clone())))));
    let bench = Bench::over(faulty.clone(), clock).await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, reviewed()).await?;
    let before = rows(&bench, &ada).await?.len();
    faulty.meets(Fault::Slow(0));
    faulty.meets(Fault::LostAnswer);
    assert_eq!(bench.post(&ada, &format!("/v1/runs/{run}/pause"), json!({})).await?.0, 200);
    assert_eq!(rows(&bench, &ada).await?.len(), before + 1);
    Ok(())
}

#[tokio::test]
async fn two_servers_on_one_store_write_one_chain_and_heed_each_others_revocations() -> Result<(), Failed> {
    let clock = ManualClock::default();
    let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let one = Bench::over(store, clock.clone()).await?;
    let two = Bench::beside(&one).await?;
    let ada = one.ada()?;
    let run = one.started(&ada, reviewed()).await?;
    for bench in [&one, &two, &one] {
        let step = if bench.get(&ada, &format!("/v1/runs/{run}")).await?.1["paused"] == true {
            "resume"
        } else {
            "pause"
        };
        assert_eq!(bench.post(&ada, &format!("/v1/runs/{run}/{step}"), json!({})).await?.0, 200);
    }
    let operations = rows(&two, &ada).await?.len();
    assert_eq!(operations, 6);

    let victim = two.authority.issue(
        striatum_server::authority::Scope::Operator(striatum_server::authority::OperatorScope {
            actor: Actor::Human("eve".to_owned()),
            repository: None,
            capabilities: striatum_server::authority::Capabilities::of([Capability::Read]),
        }),
        std::time::Duration::from_secs(60),
    )?;
    one.post(&ada, &format!("/v1/tokens/{}/revoke", victim.id), json!({})).await?;
    // The other process follows the chain; each turn gives its task a chance.
    let revoked = async {
        while two.authority.expect_valid(victim.id, victim.expires_at).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), revoked).await?;
    Ok(())
}
