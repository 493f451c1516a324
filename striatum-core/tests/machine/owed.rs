//! What the shell owes a run, before and after it says that it is done.

use striatum_core::run::{CompletionRecord, Intent, LeaseReport, Pending, RunStatus};

use crate::{
    document::{commit, pair, single},
    drive::{Drive, RUN, bot},
};

/// What is owed, in words.
fn owed(run: &Drive) -> Vec<String> {
    run.state
        .pending()
        .map(|item| match item {
            Pending::Drive { fence, attempt, .. } => {
                format!("drive {} {}.{}", fence.job, attempt, fence.epoch)
            }
            Pending::CloseTree { fence, attempt, .. } => {
                format!("close {} {}.{}", fence.job, attempt, fence.epoch)
            }
            Pending::Deliver { run } => format!("deliver {}", run.short()),
            Pending::Notify { escalation, .. } => format!("notify {escalation}"),
            Pending::Interrogate { question, .. } => format!("interrogate {question}"),
            Pending::Tell { question, .. } => format!("tell {question}"),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_grant_is_driven_and_then_its_tree_is_closed() {
    let mut run = Drive::started(&pair());
    assert!(owed(&run).is_empty());
    let first = run.claim("a");
    assert_eq!(owed(&run), ["drive a 1.1"]);
    let close =
        |fence: &striatum_core::id::Fence| Intent::TreeClosed { fence: fence.clone(), kept: Some(commit(3)) };
    assert_eq!(run.refused(bot(), close(&first)), "nothing_owed", "it is still worked in");
    run.must(Intent::Crash(LeaseReport::new(first.clone())));
    assert_eq!(owed(&run), ["close a 1.1"]);
    let second = run.claim("a");
    assert_eq!(owed(&run), ["close a 1.1", "drive a 1.2"]);
    assert_eq!(run.must(close(&first)), ["tree.closed"]);
    assert_eq!(run.refused(bot(), close(&first)), "nothing_owed");
    assert_eq!(owed(&run), ["drive a 1.2"]);
    run.done(&second);
    assert_eq!(owed(&run), ["close a 1.2"]);
    let foreign = striatum_core::id::Fence { run: striatum_core::id::RunId::from_bytes([1; 16]), ..second };
    assert_eq!(run.refused(bot(), close(&foreign)), "nothing_owed");
}

#[test]
fn a_completed_run_is_delivered_once_and_trees_close_after_its_end() {
    let mut run = Drive::started(&single());
    let deliver = |n| Intent::Delivered { commit: commit(n), deviations: Vec::new() };
    assert_eq!(run.refused(bot(), deliver(1)), "run_status");
    let fence = run.claim("a");
    run.done(&fence);
    assert_eq!(run.status(), RunStatus::Completed);
    assert_eq!(owed(&run), ["close a 1.1".to_owned(), format!("deliver {}", RUN.short())]);
    let record = CompletionRecord::new(&run.state).unwrap().digest();
    assert_eq!(run.state.record(), Some(record));
    assert_eq!(run.must(deliver(1)), ["run.delivered"]);
    assert!(run.must(deliver(1)).is_empty());
    assert_eq!(run.refused(bot(), deliver(2)), "nothing_owed");
    run.must(Intent::TreeClosed { fence, kept: None });
    assert!(owed(&run).is_empty());
    assert_eq!(CompletionRecord::new(&run.state).unwrap().digest(), record, "what follows changes nothing");
}

#[test]
fn an_escalation_is_told_once() {
    let mut run = Drive::started(&single().tolerate(0, 0));
    run.lose("a");
    assert_eq!(owed(&run), ["close a 1.1", "notify 1"]);
    for unknown in [0, 2] {
        assert_eq!(run.refused(bot(), Intent::Notified { escalation: unknown }), "nothing_owed");
    }
    assert_eq!(run.must(Intent::Notified { escalation: 1 }), ["escalation.notified"]);
    assert!(run.must(Intent::Notified { escalation: 1 }).is_empty());
    assert_eq!(owed(&run), ["close a 1.1"]);
}

#[test]
fn each_item_has_its_own_command_id_which_stays_the_same() {
    let mut run = Drive::started(&pair());
    let fence = run.claim("a");
    let drive: Vec<_> = run.state.pending().map(|item| item.command_id()).collect();
    run.done(&fence);
    let close: Vec<_> = run.state.pending().map(|item| item.command_id()).collect();
    run.claim("b");
    let later: Vec<_> = run.state.pending().map(|item| item.command_id()).collect();
    assert_eq!(later[0], close[0]);
    assert_ne!(drive[0], close[0]);
    assert_ne!(later[0], later[1]);
}

#[test]
fn a_run_begins_with_its_preparation_and_its_branch() {
    let mut run = Drive::empty(&single());
    for early in [Intent::Start, Intent::Pause, Intent::Cancel { reason: None }] {
        assert_eq!(run.refused(bot(), early), "run_not_prepared");
    }
    assert_eq!(run.must(Intent::Prepare), ["run.prepared"]);
    assert_eq!(run.refused(bot(), Intent::Prepare), "run_already_prepared");
    assert_eq!(run.refused(bot(), Intent::Start), "run_status");
    let branch = |name: &str| Intent::ConfirmBranch { branch: name.to_owned(), at: None };
    for bad in ["", "a..b", "-x", "a b", "refs/heads/x.lock"] {
        assert_eq!(run.refused(bot(), branch(bad)), "branch_name", "{bad}");
    }
    assert_eq!(run.must(branch("topic/x")), ["run.branch_confirmed"]);
    assert_eq!(run.refused(bot(), branch("topic/y")), "run_status");
    assert_eq!(run.must(Intent::Start), ["run.started", "job.ready"]);
    assert!(run.must(Intent::Start).is_empty());
}
