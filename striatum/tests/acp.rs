//! Agents over ACP that go wrong: each ends in the state that it should. They are shell scripts that know no tools.

use std::{fs, path::Path, sync::Arc, time::Duration};

use serde_json::json;
use striatum::{
    Limits, Orchestrator, Progress,
    adapter::{AcpAdapter, Pace},
    core::{
        run::{Event, Intent, JobStatus, LeaseCause, Ruling},
        transport::AgentUpdate,
        workflow::{JobBuilder, JobType, LaneBuilder, SchemaVersion, Workflow},
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
chosen() { printf '%s' "$1" | grep -o '"modeId":"[^"]*"\|"modelId":"[^"]*"\|"value":"[^"]*"'; }
while read -r line; do
  case $line in
    *'"initialize"'*) answer "$line" '{"protocolVersion":1,HELLO"agentCapabilities":{"mcpCapabilities":{"http":true}},"agentInfo":{"name":"sh","version":"1.0.0"}}' ;;
    *'"session/new"'*) OPEN ;;
    *'"session/set_'*) chosen "$line" >> LOG; answer "$line" '{}' ;;
    *'"session/cancel"'*) echo cancel >> LOG; [ -n "$open" ] && { answer "$open" '{"stopReason":"cancelled"}'; open=; } ;;
    *'"session/prompt"'*) echo prompt >> LOG; turns=$((turns + 1)); TURN ;;
  esac
done
"#;

pub(crate) const OPENS: &str = r#"answer "$line" '{"sessionId":"s"}'"#;

/// A run of one job with such an agent, and what came of it.
pub(crate) struct Told {
    pub(crate) status: JobStatus,
    pub(crate) causes: Vec<LeaseCause>,
    pub(crate) reasons: String,
    pub(crate) log: Vec<String>,
    events: Vec<Event>,
    /// What those who watch are told beside the events.
    pub(crate) said: String,
}

pub(crate) fn quick() -> Pace {
    let mut pace = Pace::default();
    (pace.first_wait, pace.waits) = (Duration::from_millis(5), 2);
    pace.nudge_wait = Duration::from_millis(5);
    pace.leave = Duration::from_millis(50);
    pace
}

/// What an agent does when it is to open a session, and in each turn; and where it does that.
pub(crate) struct Setting<'a> {
    /// What it says of itself beside what all say, each with a comma behind it.
    pub(crate) hello: &'a str,
    pub(crate) open: &'a str,
    pub(crate) turn: &'a str,
    pub(crate) budget: serde_json::Value,
    pub(crate) limits: Limits,
    /// How a person rules on whatever leave is asked for; nobody else answers.
    pub(crate) ruling: Option<Ruling>,
    pub(crate) adapter: AcpAdapter,
    pub(crate) pace: Pace,
    pub(crate) lane: fn(LaneBuilder) -> LaneBuilder,
}

impl Default for Setting<'_> {
    fn default() -> Self {
        Self {
            hello: "",
            open: OPENS,
            turn: "exit 7",
            budget: json!(null),
            limits: limits(),
            ruling: None,
            adapter: AcpAdapter::default(),
            pace: quick(),
            lane: |lane| lane,
        }
    }
}

async fn told(open: &str, turn: &str, budget: serde_json::Value, limits: Limits) -> Told {
    Setting { open, turn, budget, limits, ..Setting::default() }.played().await
}

impl Setting<'_> {
    pub(crate) async fn played(self) -> Told {
        let scene = Scene::new();
        let (script, log) = (scene.beside("agent.sh"), scene.beside("log"));
        let text = HEAD.replace("HELLO", self.hello).replace("OPEN", self.open).replace("TURN", self.turn);
        fs::write(&script, text.replace("LOG", &log.display().to_string())).expect("a script");
        let (mut pace, ruling) = (self.pace, self.ruling);
        if ruling.is_some() {
            // Whoever is there has all the time that it takes.
            pace.leave = Duration::from_secs(600);
        }
        let adapter = Arc::new(self.adapter.pace(pace));
        let builder = scene.builder().await.adapter("acp", adapter).limits(self.limits);
        let orchestrator: Orchestrator = builder.build().await.expect("it builds");
        let only = JobBuilder::new("only", JobType::Build).by("all", "main").objective("Do it.");
        let lane = LaneBuilder::adapter("acp").command(["sh".to_owned(), script.display().to_string()]);
        let workflow = Workflow::builder("one").schema(SchemaVersion::V2).lane("main", (self.lane)(lane));
        let workflow = workflow.role("all", "Does it.").job(only);
        let mut document =
            serde_json::to_value(workflow.build().expect("it is sound").workflow).expect("JSON");
        document["jobs"][0]["max_attempts"] = json!(1);
        document["jobs"][0]["budget"] = self.budget;
        let document = striatum::Document::new(serde_json::to_vec(&document).expect("JSON"), scene.root());
        told_of(&scene, &orchestrator, &document, ruling, &log).await
    }
}

async fn told_of(
    scene: &Scene,
    orchestrator: &Orchestrator,
    document: &striatum::Document,
    ruling: Option<Ruling>,
    log: &Path,
) -> Told {
    let prepared = orchestrator.prepare(document, ada()).await.expect("it is prepared");
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
        () = scene.work(orchestrator) => {}
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
    let log = fs::read_to_string(log).unwrap_or_default();
    Told {
        status: state.job(&job("only")).expect("the job").status,
        causes: ends.iter().map(|end| end.cause).collect(),
        reasons,
        log: log.lines().map(str::to_owned).collect(),
        events,
        said,
    }
}

pub(crate) fn refused(code: i32, message: &str) -> String {
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

#[tokio::test]
async fn one_whose_processes_work_is_not_silent() {
    let limits = limits().silence(Duration::from_millis(400));
    // It says nothing and changes nothing, and has a child that computes.
    let turn = r#"sh -c 'n=0; while [ $n -lt 2000000 ]; do n=$((n+1)); done'; exit 7"#;
    let told = told(OPENS, turn, json!(null), limits).await;
    assert!(told.reasons.contains("exit status 7"), "{}", told.reasons);
}

#[tokio::test]
async fn one_that_talks_for_ever_is_stopped_when_its_time_is_over() {
    // As one does that tries again without end: it is never silent, and never done.
    let turn = r#"while :; do say 'half an answer'; sleep 0.02; done"#;
    let setting = Setting { turn, lane: |lane| lane.timeout_seconds(1), ..Setting::default() };
    let told = setting.played().await;
    assert_eq!((told.status, &told.causes[..]), (JobStatus::Failed, &[LeaseCause::Failed][..]));
    assert!(told.reasons.contains("stopped after 1 seconds"), "{}", told.reasons);
}

#[tokio::test]
async fn one_whose_child_keeps_its_output_when_it_is_gone_has_ended() {
    // The child goes on speaking for it, as that of an agent does that starts itself again.
    let turn = r#"(while :; do say 'I am still here'; sleep 0.02; done) & exit 7"#;
    let told = told(OPENS, turn, json!(null), limits()).await;
    assert_eq!(told.status, JobStatus::Failed);
    assert!(told.reasons.contains("before it recorded an outcome"), "{}", told.reasons);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_leaves_the_group_of_an_agent_ends_with_it_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let pids = folder.path().join("pids");
    let turn = format!(
        "setsid sh -c 'echo $$ >> {0}; exec sleep 1000' </dev/null >/dev/null 2>&1 & sh -c 'echo $$ >> {0}; exec sleep 1000' & \
        while [ \"$(wc -l < {0} 2>/dev/null || echo 0)\" -lt 2 ]; do sleep 0.01; done; exit 7",
        pids.display()
    );
    let told = told(OPENS, &turn, json!(null), limits()).await;
    assert!(told.reasons.contains("exit status 7"), "{}", told.reasons);
    crate::lane_agents::assert_gone(&pids, 2);
}

#[tokio::test]
async fn an_agent_finds_what_its_lane_names_and_nothing_of_ours() {
    let turn = r#"env | sed 's/=.*//' | sort | tr '\n' ' ' >> LOG; exit 7"#;
    let setting = Setting { turn, lane: |lane| lane.env("GREETING", "hi"), ..Setting::default() };
    let told = setting.played().await;
    let found: Vec<_> = told.log[1]
        .split(' ')
        .filter(|name| !matches!(*name, "" | "_" | "PWD" | "OLDPWD" | "SHLVL"))
        .collect();
    let expected = [
        "GREETING",
        "HOME",
        "PATH",
        "STRIATUM_ATTEMPT",
        "STRIATUM_JOB",
        "STRIATUM_PACKET",
        "STRIATUM_REPORT",
        "STRIATUM_RUN",
        "STRIATUM_SESSION",
        "TMPDIR",
    ];
    assert_eq!(found, expected);
}

/// Asks for leave to fetch something, and notes what is answered before it ends.
const ASKS: &str = r#"printf '{"jsonrpc":"2.0","id":"leave","method":"session/request_permission","params":{"sessionId":"s","toolCall":{"toolCallId":"t","title":"fetch the weather","kind":"fetch"},"options":[{"optionId":"yes-please","name":"Yes","kind":"allow_once"},{"optionId":"never","name":"No","kind":"reject_once"}]}}\n'; read -r said; echo "$said" | grep -o 'yes-please\|never' >> LOG; exit 7"#;

#[tokio::test]
async fn leave_is_what_a_person_says_and_the_agent_waits_for_it() {
    for (ruling, chosen) in [(Ruling::Accept, "yes-please"), (Ruling::Reject, "never")] {
        let told = Setting { turn: ASKS, ruling: Some(ruling), ..Setting::default() }.played().await;
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
