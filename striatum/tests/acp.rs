//! Agents over ACP that go wrong: each ends in the state that it should. They are shell scripts that know no tools.

use std::{fs, sync::Arc, time::Duration};

use serde_json::json;
use striatum::{
    Limits, Orchestrator, Progress,
    adapter::{AcpAdapter, Pace},
    core::{
        run::{Event, Intent, JobStatus, LeaseCause, Ruling},
        transport::AgentUpdate,
        workflow::{JobBuilder, JobType, LaneBuilder, Workflow},
    },
};

use crate::fixture::{Scene, ada, job, limits, until};

/// What every agent here begins with: it says what it is, and opens a session. `$1` says what it does with its tasks.
const HEAD: &str = r#"
id() { printf '%s' "$1" | sed 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/'; }
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$(id "$1")" "$2"; }
refuse() { printf '{"jsonrpc":"2.0","id":%s,"error":%s}\n' "$(id "$1")" "$2"; }
update() { printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":%s}}\n' "$1"; }
say() { update '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"'"$1"'"}}'; }
while read -r line; do
  case $line in
    *'"initialize"'*) answer "$line" '{"protocolVersion":1,"agentCapabilities":{"mcpCapabilities":{"http":true}},"agentInfo":{"name":"sh","version":"1.0.0"}}' ;;
    *'"session/new"'*) OPEN ;;
    *'"session/cancel"'*) echo cancel >> LOG; [ -n "$open" ] && { answer "$open" '{"stopReason":"cancelled"}'; open=; } ;;
    *'"session/prompt"'*) echo prompt >> LOG; turns=$((turns + 1)); TURN ;;
  esac
done
"#;

pub(crate) const OPENS: &str = r#"answer "$line" '{"sessionId":"s"}'"#;

/// A run of one job with such an agent, and what came of it.
pub(crate) struct Told {
    pub(crate) status: JobStatus,
    causes: Vec<LeaseCause>,
    pub(crate) reasons: String,
    pub(crate) log: Vec<String>,
    events: Vec<Event>,
    /// What those who watch are told beside the events.
    pub(crate) said: String,
}

pub(crate) fn quick() -> Pace {
    let mut pace = Pace::default();
    (pace.first_wait, pace.waits) = (Duration::from_millis(5), 2);
    pace.leave = Duration::from_millis(50);
    pace
}

async fn told(open: &str, turn: &str, budget: serde_json::Value, limits: Limits) -> Told {
    ruled(open, turn, budget, limits, None).await
}

/// The same, where a person rules so on whatever leave is asked for; nobody else answers.
async fn ruled(
    open: &str,
    turn: &str,
    budget: serde_json::Value,
    limits: Limits,
    ruling: Option<Ruling>,
) -> Told {
    let mut pace = quick();
    if ruling.is_some() {
        // Whoever is there has all the time that it takes.
        pace.leave = Duration::from_secs(600);
    }
    adapted(AcpAdapter::default().pace(pace), open, turn, (budget, limits), ruling).await
}

/// The same by this adapter.
pub(crate) async fn adapted(
    adapter: AcpAdapter,
    open: &str,
    turn: &str,
    (budget, limits): (serde_json::Value, Limits),
    ruling: Option<Ruling>,
) -> Told {
    let scene = Scene::new();
    let (script, log) = (scene.beside("agent.sh"), scene.beside("log"));
    let text = HEAD.replace("OPEN)", "OPEN").replace("OPEN", open).replace("TURN", turn);
    fs::write(&script, text.replace("LOG", &log.display().to_string())).expect("a script");
    let orchestrator: Orchestrator = scene
        .builder()
        .await
        .adapter("acp", Arc::new(adapter))
        .limits(limits)
        .build()
        .await
        .expect("it builds");
    let only = JobBuilder::new("only", JobType::Build).by("all", "main").objective("Do it.");
    let lane = LaneBuilder::adapter("acp").command(["sh".to_owned(), script.display().to_string()]);
    let workflow = Workflow::builder("one").lane("main", lane).role("all", "Does it.").job(only);
    let mut document = serde_json::to_value(workflow.build().expect("it is sound").workflow).expect("JSON");
    document["jobs"][0]["max_attempts"] = json!(1);
    document["schema_version"] = json!("striatum.workflow.v2");
    document["jobs"][0]["budget"] = budget;
    let document = striatum::Document::new(serde_json::to_vec(&document).expect("JSON"), scene.root());
    let prepared = orchestrator.prepare(&document, ada()).await.expect("it is prepared");
    orchestrator.confirm_branch(prepared.run, ada(), "result").await.expect("it is confirmed");
    orchestrator.command(prepared.run, ada(), Intent::Start).await.expect("it starts");
    let mut progress = orchestrator.progress();
    let mut asked = orchestrator.progress();
    let person = async {
        loop {
            let escalation = until(&mut asked, |update| match update {
                Progress::Event { event: Event::EscalationRaised(raised), .. } => Some(raised.escalation),
                _ => None,
            })
            .await;
            let Some(ruling) = ruling else { return std::future::pending().await };
            let settle = Intent::Settle { escalation, ruling, rationale: None };
            orchestrator.command(prepared.run, ada(), settle).await.expect("it is settled");
        }
    };
    tokio::select! {
        () = scene.work(&orchestrator) => {}
        () = person => {}
    }

    let state = orchestrator.load(prepared.run).await.expect("a run").state;
    let (mut events, mut said) = (Vec::new(), String::new());
    while let Ok(update) = progress.try_recv() {
        match update {
            Progress::Event { event, .. } => events.push(event),
            Progress::Agent { update: AgentUpdate::Output { text, .. }, .. } => said.push_str(&text),
            _ => {}
        }
    }
    let ends: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::JobReadied(e) => e.ended.clone(),
            Event::JobWaits(e) => e.ended.clone(),
            Event::JobFailed(e) => Some(e.ended.clone()),
            Event::JobBlocked(e) => Some(e.ended.clone()),
            _ => None,
        })
        .collect();
    let mut reasons = String::new();
    for reason in ends.iter().filter_map(|end| end.reason) {
        let bytes = scene.blobs.get(&reason.digest).await.expect("a reason");
        reasons.push_str(&String::from_utf8_lossy(&bytes));
    }
    let log = fs::read_to_string(&log).unwrap_or_default();
    Told {
        status: state.job(&job("only")).expect("the job").status,
        causes: ends.iter().map(|end| end.cause).collect(),
        reasons,
        log: log.lines().map(str::to_owned).collect(),
        events,
        said,
    }
}

fn refused(code: i32, message: &str) -> String {
    format!(r#"refuse "$line" '{{"code":{code},"message":"{message}"}}'"#)
}

#[tokio::test]
async fn one_without_credentials_is_for_a_person() {
    let told = told(&refused(-32000, "Authentication required"), "", json!(null), limits()).await;
    assert_eq!((told.status, &told.causes[..]), (JobStatus::Blocked, &[LeaseCause::Blocked][..]));
    assert!(told.reasons.contains("Authentication required"), "{}", told.reasons);
}

#[tokio::test]
async fn one_that_never_asks_for_its_tools_is_for_a_person() {
    let turn = r#"say done; answer "$line" '{"stopReason":"end_turn"}'"#;
    let told = told(OPENS, turn, json!(null), limits()).await;
    assert_eq!((told.status, told.log.len()), (JobStatus::Blocked, 1));
    assert!(told.reasons.contains("never asked for the tools"), "{}", told.reasons);
    let said = told
        .events
        .iter()
        .any(|event| matches!(event, Event::SessionIdentified(e) if e.agent.name.as_deref() == Some("sh")));
    assert!(said, "it is known what it was");
}

#[tokio::test]
async fn a_limit_is_waited_for_and_in_the_end_is_for_a_person() {
    let told = told(OPENS, &refused(-32603, "429 Too Many Requests"), json!(null), limits()).await;
    assert_eq!((told.status, told.log.len()), (JobStatus::Blocked, 3), "{}", told.reasons);
    assert!(told.reasons.contains("a limit of the model's host"), "{}", told.reasons);
}

#[tokio::test]
async fn a_limit_that_is_lifted_much_later_is_for_a_person_at_once() {
    let turn = r#"refuse "$line" '{"code":-32603,"message":"rate limit","data":{"retryAfterSeconds":86400,"status":429}}'"#;
    let told = told(OPENS, turn, json!(null), limits()).await;
    assert!(told.status == JobStatus::Blocked && told.log.len() <= 3, "{}", told.reasons);
}

#[tokio::test]
async fn a_failure_is_a_failed_attempt() {
    let told = told(OPENS, &refused(-32603, "Internal error"), json!(null), limits()).await;
    assert_eq!((told.status, &told.causes[..]), (JobStatus::Failed, &[LeaseCause::Failed][..]));
}

#[tokio::test]
async fn a_process_that_ends_in_mid_turn_is_a_failed_attempt() {
    let told = told(OPENS, "exit 7", json!(null), limits()).await;
    assert_eq!(told.status, JobStatus::Failed);
    assert!(told.reasons.contains("exit status 7"), "{}", told.reasons);
}

#[tokio::test]
async fn one_that_breaks_the_protocol_is_a_failed_attempt() {
    let told =
        told(OPENS, r#"printf '{"jsonrpc":"2.0","id":99,"result":{}}\n'"#, json!(null), limits()).await;
    assert_eq!(told.status, JobStatus::Failed);
    assert!(told.reasons.contains("nobody sent"), "{}", told.reasons);
}

#[tokio::test]
async fn turns_that_are_used_up_are_no_failure() {
    let turn = r#"say done; answer "$line" '{"stopReason":"end_turn"}'"#;
    let told = told(OPENS, turn, json!({"turns": 1}), limits()).await;
    assert_eq!((told.status, told.log.len()), (JobStatus::WaitingHuman, 1));
    assert!(!told.causes.contains(&LeaseCause::Failed), "{:?}", told.causes);
    assert!(told.reasons.contains("the 1 turns that were left"), "{}", told.reasons);
}

#[tokio::test]
async fn tokens_are_bounded_in_mid_turn() {
    let turn = r#"update '{"sessionUpdate":"usage_update","used":5000,"size":100000}'"#;
    let told = told(OPENS, turn, json!({"tokens": 1000}), limits()).await;
    assert!(told.reasons.contains("5000 tokens of the 1000"), "{}", told.reasons);
    assert!(!told.causes.contains(&LeaseCause::Failed), "{:?}", told.causes);
}

#[tokio::test]
async fn one_that_falls_silent_is_cancelled_and_nudged_and_then_ended() {
    let limits = limits().silence(Duration::from_millis(300));
    let told = told(OPENS, r#"open=$line"#, json!(null), limits).await;
    assert_eq!(told.status, JobStatus::Failed);
    assert_eq!(told.log, ["prompt", "cancel", "prompt"]);
    assert!(told.reasons.contains("no sign of life"), "{}", told.reasons);
}

#[tokio::test]
async fn one_whose_files_change_is_not_silent() {
    let limits = limits().silence(Duration::from_millis(400));
    let turn = r#"for n in 1 2 3 4 5 6 7 8; do sleep 0.15; echo $n > note; done; exit 7"#;
    let told = told(OPENS, turn, json!(null), limits).await;
    assert!(told.reasons.contains("exit status 7"), "{}", told.reasons);
}

/// Asks for leave to fetch something, and notes what is answered before it ends.
const ASKS: &str = r#"printf '{"jsonrpc":"2.0","id":"leave","method":"session/request_permission","params":{"sessionId":"s","toolCall":{"toolCallId":"t","title":"fetch the weather","kind":"fetch"},"options":[{"optionId":"yes-please","name":"Yes","kind":"allow_once"},{"optionId":"never","name":"No","kind":"reject_once"}]}}\n'; read -r said; echo "$said" | grep -o 'yes-please\|never' >> LOG; exit 7"#;

#[tokio::test]
async fn leave_is_what_a_person_says_and_the_agent_waits_for_it() {
    for (ruling, chosen) in [(Ruling::Accept, "yes-please"), (Ruling::Reject, "never")] {
        let told = ruled(OPENS, ASKS, json!(null), limits(), Some(ruling)).await;
        assert_eq!(told.log, ["prompt", chosen], "{}", told.reasons);
        let settled: Vec<_> = told
            .events
            .iter()
            .filter_map(|event| match event {
                Event::EscalationResolved(resolved) => Some((resolved.ruling, resolved.by.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!(settled, [(ruling, "ada")]);
    }
}

#[tokio::test]
async fn leave_that_nobody_gives_in_time_is_not_given() {
    let told = told(OPENS, ASKS, json!(null), limits()).await;
    assert_eq!(told.log, ["prompt", "never"], "{}", told.reasons);
    let withdrawn = told.events.iter().any(|event| {
        matches!(event, Event::EscalationResolved(resolved) if resolved.by == "orchestrator (service)")
    });
    assert!(withdrawn, "nobody is asked any longer");
}
