//! What the tools say and do.

use serde_json::json;
use striatum_core::run::Verdict;
use striatum_server::{
    Refusal,
    agents::{Act, Mode, Receipt},
};

use super::bench::{LONG, Recorder, call, connect, fence, listening};

#[tokio::test]
async fn a_call_reaches_the_workbench_and_its_answer_the_agent() {
    let agents = listening().await;
    let bench = Recorder::answering([
        Err(Refusal::new("artifacts_missing", "review at r.md is missing", "write it")),
        Ok(Receipt::over("the verdict is recorded")),
    ]);
    let session = agents.open(fence("review"), bench.clone(), LONG).expect("chance");
    let client = connect(&session).await;
    assert!(!session.is_connected());
    client.list_all_tools().await.expect("tools");
    session.connected().await;

    let arguments = json!({"verdict": "accept", "findings": [{"title": "One typo", "severity": "low"}]});
    let (said, is_error) = call(&client, "submit_review", arguments.clone()).await;
    assert_eq!(
        (said.as_str(), is_error),
        ("refused (artifacts_missing): review at r.md is missing. What to do: write it.", true)
    );
    let (said, is_error) = call(&client, "submit_review", arguments).await;
    assert!(said.starts_with("accepted: the verdict is recorded.") && !is_error, "{said}");
    session.concluded().await;

    let judged = Act::Judge { verdict: Verdict::Accept, findings: vec!["[low] One typo".to_owned()] };
    assert_eq!(bench.asked(), vec![(judged, Mode::Perform); 2]);
    let (said, is_error) = call(&client, "complete_work", json!({})).await;
    assert!(said.starts_with("refused (stale_fence)") && is_error, "{said}");
    assert_eq!(bench.asked().len(), 2, "nothing is asked once the grant is over");
}
