//! What happens between the turns of an agent, and what its turns cost.

use std::time::Duration;

use serde_json::json;
use striatum::{
    acp::AcpOptions,
    adapter::AcpAdapter,
    core::run::{JobStatus, LeaseCause},
};

use crate::{
    acp::{Setting, quick, refused},
    fixture::limits,
};

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn who_ends_while_a_limit_is_waited_for_is_waited_for_no_longer() {
    let mut pace = quick();
    pace.first_wait = LONG;
    let turn = format!("{}; exit 7", refused(-32603, "429 Too Many Requests"));
    let told = Setting { turn: &turn, pace, ..Setting::default() }.played().await;
    assert_eq!((told.status, told.log.len()), (JobStatus::Failed, 1), "{}", told.reasons);
    assert!(told.reasons.contains("exit status 7"), "{}", told.reasons);
    assert!(told.said.contains("waiting for 600 s"), "{}", told.said);
}

#[tokio::test]
async fn what_an_agent_asks_between_two_turns_is_answered() {
    let mut pace = quick();
    (pace.first_wait, pace.leave) = (LONG, Duration::from_millis(50));
    let ask = r#"printf '{"jsonrpc":"2.0","id":"leave","method":"session/request_permission","params":{"sessionId":"s","toolCall":{"toolCallId":"t","title":"fetch the weather","kind":"fetch"},"options":[{"optionId":"no","name":"No","kind":"reject_once"}]}}\n'; read -r said; echo "$said" | grep -o '"optionId":"no"' >> LOG; exit 7"#;
    let turn = format!("{}; {ask}", refused(-32603, "429 Too Many Requests"));
    let told = Setting { turn: &turn, pace, ..Setting::default() }.played().await;
    assert_eq!(told.log, ["prompt", r#""optionId":"no""#], "{}", told.reasons);
}

#[tokio::test]
async fn an_agent_is_left_alone_for_a_while_before_it_is_nudged() {
    let mut pace = quick();
    pace.nudge_wait = LONG;
    // Its time is over before.
    let setting = Setting {
        turn: "open=$line",
        limits: limits().silence(Duration::from_millis(100)),
        lane: |lane| lane.timeout_seconds(1),
        pace,
        ..Setting::default()
    };
    let told = setting.played().await;
    assert_eq!(told.log, ["prompt", "cancel"]);
    assert!(told.reasons.contains("stopped after 1 seconds"), "{}", told.reasons);
}

#[tokio::test]
async fn what_is_seen_of_each_turn_adds_up() {
    // It tells how full its window is, and never what a turn cost.
    let update = r#"update '{"sessionUpdate":"usage_update","used":400,"size":100000}'"#;
    let turn = format!("{update}; {}", refused(-32603, "429 Too Many Requests"));
    let setting = Setting { turn: &turn, budget: json!({"tokens": 1000}), ..Setting::default() };
    let told = setting.played().await;
    assert_eq!(told.log.len(), 3, "{}", told.reasons);
    assert!(told.reasons.contains("1200 tokens of the 1000"), "{}", told.reasons);
    assert!(!told.causes.contains(&LeaseCause::Failed), "{:?}", told.causes);
}

#[tokio::test]
async fn it_is_said_where_nobody_can_count_tokens() {
    let turn = r#"answer "$line" '{"stopReason":"end_turn"}'"#;
    for (budget, is_said) in [(json!({"tokens": 1000}), true), (json!({"turns": 9}), false)] {
        let told = Setting { turn, budget, ..Setting::default() }.played().await;
        assert_eq!(told.said.contains("the agent tells nothing of its tokens"), is_said, "{}", told.said);
    }
}

/// Opens a session once it has authenticated.
const LOCKED: &str = r#"if [ -n "$by" ]; then answer "$line" '{"sessionId":"s"}'; else refuse "$line" '{"code":-32000,"message":"Authentication required"}'; fi ;;
    *'"authenticate"'*) by=$(printf '%s' "$line" | grep -o '"methodId":"[^"]*"'); echo "$by" >> LOG; answer "$line" '{}'"#;

#[tokio::test]
async fn an_agent_that_is_not_known_is_spoken_to_as_one_says() {
    let mut options = AcpOptions::default();
    options.auth_method = Some("our-key".to_owned());
    let hello = r#""authMethods":[{"id":"our-key","name":"?"}],"#;
    let of = |adapter| Setting { hello, open: LOCKED, adapter, ..Setting::default() };
    let told = of(AcpAdapter::default().speaking(options)).played().await;
    assert_eq!(told.log, [r#""methodId":"our-key""#, "prompt"], "{}", told.reasons);
    let told = of(AcpAdapter::default()).played().await;
    assert_eq!((told.status, told.log.len()), (JobStatus::Blocked, 0), "{}", told.reasons);
}

#[tokio::test]
async fn what_an_agent_may_cost_and_reach_is_what_one_says_and_the_scope_is_that_of_its_grant() {
    let mut options = AcpOptions::default();
    options.limits.line_bytes = 4096;
    options.files = striatum::acp::FileAccess::Off;
    let turn = r#"printf '{"jsonrpc":"2.0","id":"r","method":"fs/read_text_file","params":{"sessionId":"s","path":"README.md"}}\n'; read -r said; echo "$said" | grep -o -- '-32601' >> LOG; head -c 5000 /dev/zero | tr '\0' 'x'; echo"#;
    let adapter = AcpAdapter::default().speaking(options);
    let told = Setting { turn, adapter, ..Setting::default() }.played().await;
    assert_eq!(told.log, ["prompt", "-32601"], "{}", told.reasons);
    assert!(told.reasons.contains("4096"), "{}", told.reasons);
}

#[tokio::test]
async fn who_ends_while_a_person_thinks_about_its_leave_has_ended() {
    let mut pace = quick();
    pace.leave = LONG;
    let turn = r#"printf '{"jsonrpc":"2.0","id":"leave","method":"session/request_permission","params":{"sessionId":"s","toolCall":{"toolCallId":"t","title":"fetch the weather","kind":"fetch"},"options":[{"optionId":"no","name":"No","kind":"reject_once"}]}}\n'; exit 7"#;
    let told = Setting { turn, pace, ..Setting::default() }.played().await;
    assert!(told.reasons.contains("exit status 7"), "{}", told.reasons);
}
