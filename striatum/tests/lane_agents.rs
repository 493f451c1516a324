//! What a lane says of its agent over ACP, and what the agent has run for it: real processes from one end to the other.

use std::{collections::BTreeMap, fs, path::Path};

use rustix::process::{Pid, test_kill_process};
use striatum::{
    acp::{Decision, PermissionPolicy, TerminalAccess},
    adapter::AcpAdapter,
    core::{run::JobStatus, transport::Choices},
};

use crate::acp::{Setting, Told};

/// Opens a session that offers modes, models and an option.
const OFFERS: &str = r#"answer "$line" '{"sessionId":"s","modes":{"currentModeId":"ask","availableModes":[{"id":"ask","name":"?"},{"id":"plan","name":"?"}]},"models":{"currentModelId":"small","availableModels":[{"modelId":"small","name":"?"},{"modelId":"large","name":"?"}]},"configOptions":[{"id":"effort","name":"?","type":"select","currentValue":"low","options":[{"value":"low","name":"?"},{"value":"high","name":"?"}]},{"id":"tone","name":"?","type":"select","currentValue":"dry","options":[{"value":"dry","name":"?"},{"value":"warm","name":"?"}]}]}'"#;

fn choices(mode: &str, model: &str, options: &[(&str, &str)]) -> Choices {
    let options: BTreeMap<_, _> =
        options.iter().map(|(id, value)| ((*id).to_owned(), (*value).to_owned())).collect();
    Choices { mode: Some(mode.to_owned()), model: Some(model.to_owned()), options }
}

#[tokio::test]
async fn an_agent_is_set_to_what_its_lane_chooses_before_it_has_a_task() {
    let others = choices("ask", "small", &[("effort", "low"), ("tone", "warm")]);
    let setting = Setting {
        open: OFFERS,
        adapter: AcpAdapter::default().choosing(others),
        lane: |lane| lane.choosing(&choices("plan", "large", &[("effort", "high")])),
        ..Setting::default()
    };
    let told = setting.played().await;
    let set = [r#""modeId":"plan""#, r#""modelId":"large""#, r#""value":"high""#, r#""value":"warm""#];
    assert_eq!(told.log[..4], set, "the lane first, and then whoever registered the adapter");
    assert_eq!(told.log[4..], ["prompt"]);
    assert!(told.reasons.contains("exit status 7"), "{}", told.reasons);
}

#[tokio::test]
async fn what_an_agent_does_not_offer_is_for_a_person_who_is_told_what_it_does() {
    let setting = Setting {
        open: OFFERS,
        lane: |lane| lane.choosing(&choices("plan", "huge", &[])),
        ..Setting::default()
    };
    let told = setting.played().await;
    assert_eq!((told.status, &told.log[..]), (JobStatus::Blocked, &[r#""modeId":"plan""#.to_owned()][..]));
    assert!(told.reasons.contains("offers no model \"huge\", but small, large"), "{}", told.reasons);
}

/// Asks for something with a terminal, and notes the answer. `$t` is the terminal that was opened last.
const ASK: &str = r#"
ask() { printf '{"jsonrpc":"2.0","id":"%s","method":"terminal/%s","params":{"sessionId":"s",%s}}\n' "$1" "$1" "$2"; read -r said; printf '%s\n' "$said" >> LOG; }
create() { ask create "$1"; t="\"terminalId\":\"$(printf '%s' "$said" | sed 's/.*"terminalId":"\([^"]*\)".*/\1/')\""; }
"#;

fn free() -> AcpAdapter {
    AcpAdapter::default().policy(PermissionPolicy::uniform(Decision::AllowOnce))
}

async fn terminals(turn: &str, adapter: AcpAdapter) -> Told {
    let turn = format!("{ASK}{turn}; exit 7");
    let lane = |lane: striatum::core::workflow::LaneBuilder| lane.env("GREETING", "hi");
    let told = Setting { turn: &turn, adapter, lane, ..Setting::default() }.played().await;
    assert!(told.reasons.contains("exit status 7"), "{}", told.reasons);
    told
}

#[tokio::test]
async fn a_command_runs_in_the_tree_with_the_variables_of_the_lane() {
    let turn = r#"create '"command":"pwd; echo $GREETING $NAME $STRIATUM_JOB; cat README.md; echo oops >&2; exit 5","env":[{"name":"NAME","value":"Ada"}]'
        ask wait_for_exit "$t"; ask output "$t"; ask release "$t"; ask output "$t""#;
    let told = terminals(turn, free()).await;
    let [_, _, ended, seen, released, forgotten] = &told.log[..] else { panic!("{:?}", told.log) };
    assert!(ended.contains(r#""exitCode":5"#), "{ended}");
    for part in ["/trees/", r"hi Ada only\n", r"read me\n", r"oops\n", r#""truncated":false"#] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    assert!(!released.contains("error") && forgotten.contains("-32002"), "{released} {forgotten}");
}

/// Opens a terminal with two processes that never end, and goes on when both have noted themselves.
fn sleepers(pids: &Path) -> String {
    format!(
        r#"create '"command":"sh -c \"echo \\$\\$ >> {0}; exec sleep 1000\" & echo $$ >> {0}; exec sleep 1000"'
        while [ "$(wc -l < {0} 2>/dev/null || echo 0)" -lt 2 ]; do sleep 0.01; done"#,
        pids.display()
    )
}

#[tokio::test]
async fn commands_that_never_end_end_with_the_session() {
    let folder = tempfile::tempdir().expect("a folder");
    let pids = folder.path().join("pids");
    let turn = format!(r#"{}; create '"command":"yes"'"#, sleepers(&pids));
    terminals(&turn, free()).await;
    assert_gone(&pids, 2);
}

#[tokio::test]
async fn a_command_that_is_killed_goes_with_what_it_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let pids = folder.path().join("pids");
    let turn = format!(
        r#"{}; ask kill "$t"; ask wait_for_exit "$t"
        for p in $(cat {}); do kill -0 $p 2>/dev/null && [ "$(cut -d' ' -f3 /proc/$p/stat)" != Z ] && echo alive >> LOG; done"#,
        sleepers(&pids),
        pids.display()
    );
    let told = terminals(&turn, free()).await;
    assert!(!told.log.contains(&"alive".to_owned()), "{:?}", told.log);
    assert!(told.log.iter().any(|line| line.contains(r#""signal":"15""#)), "{:?}", told.log);
    assert_gone(&pids, 2);
}

/// None of the processes is left that noted themselves here.
pub(crate) fn assert_gone(pids: &Path, count: usize) {
    let pids = fs::read_to_string(pids).expect("they noted who they are");
    let pids: Vec<i32> = pids.lines().map(|pid| pid.parse().expect("a number")).collect();
    assert_eq!(pids.len(), count);
    for pid in pids {
        // One that nobody has taken note of yet is gone all the same.
        let is_dead = match fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
            Err(_) => test_kill_process(Pid::from_raw(pid).expect("a process")).is_err(),
        };
        assert!(is_dead, "{pid} is left");
    }
}

#[tokio::test]
async fn where_commands_need_leave_or_terminals_are_off_there_are_none() {
    let turn = r#"create '"command":"id"'"#;
    for adapter in [AcpAdapter::default(), free().terminals(TerminalAccess::Off)] {
        let told = terminals(turn, adapter).await;
        assert!(told.log[1].contains("-32601"), "{:?}", told.log);
    }
}
