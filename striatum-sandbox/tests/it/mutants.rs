//! A suite that passes broken sandboxes proves nothing: each of these is caught by the case that names the rule it breaks.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use striatum_core::sandbox::Sandbox;
use striatum_testkit::sandbox::{SandboxFactory, cases};

use crate::broken::{Broken, Fault};

/// Each fault, and the case that must fail.
const MUTANTS: &[(Fault, &str)] = &[
    (Fault::StartsElsewhere, "a_program_runs_in_its_work_tree"),
    (Fault::LooksInTheTree, "a_program_is_found_by_its_name"),
    (Fault::SplitsArguments, "a_program_is_found_by_its_name"),
    (Fault::TellsNoKinds, "a_program_that_is_not_there_is_not_found"),
    (Fault::TellsNoKinds, "a_file_that_is_no_program_is_denied"),
    (Fault::StartsSomething, "an_exec_without_a_program_is_refused"),
    (Fault::IgnoresDemands, "a_demand_beyond_the_offer_is_refused_by_name"),
    (Fault::ServesAFolderTwice, "a_folder_serves_one_session"),
    (Fault::RefusesMounts, "what_is_mounted_can_be_read"),
    (Fault::RefusesMounts, "what_is_mounted_to_be_written_can_be_changed"),
    (Fault::AddsVariables, "a_process_finds_what_was_named_and_nothing_else"),
    (Fault::DropsVariables, "what_the_sandbox_sets_cannot_be_set_by_others"),
    (Fault::HasNoHome, "a_home_and_a_folder_for_temporary_files_can_be_written"),
    (Fault::TidiesValues, "a_variable_arrives_as_it_was_given"),
    (Fault::IsDeaf, "input_reaches_the_process_and_so_does_its_end"),
    (Fault::KeepsTheInputOpen, "input_reaches_the_process_and_so_does_its_end"),
    (Fault::MixesOutputs, "both_outputs_arrive_apart"),
    (Fault::PassesEverythingOn, "output_beyond_the_limit_is_thrown_away_and_blocks_nobody"),
    (Fault::LosesOutput, "a_daemon_does_not_keep_the_output_open"),
    (Fault::TellsOfSuccess, "an_end_of_its_own_is_told_as_often_as_it_is_asked_for"),
    (Fault::TellsOfItsKill, "an_end_of_its_own_is_told_as_often_as_it_is_asked_for"),
    (Fault::WaitsOnce, "waiting_may_be_given_up_and_taken_up"),
    (Fault::KillsNothing, "a_kill_ends_all_that_the_process_started"),
    (Fault::OnlyAsks, "a_process_that_will_not_end_is_killed_after_the_grace"),
    (Fault::NeverAsks, "a_process_that_is_asked_to_end_may_say_goodbye"),
    (Fault::ForgetsProcesses, "dropping_the_process_ends_it"),
    (Fault::ForgetsSessions, "dropping_the_session_ends_all_that_is_in_it"),
    (Fault::ClosesWithoutALook, "closing_the_session_ends_a_daemon"),
    (Fault::HasOneEnd, "processes_of_one_session_end_by_themselves"),
    (Fault::ForgetsOutcomes, "an_end_of_its_own_is_on_record"),
    (Fault::InventsOutcomes, "a_killed_process_has_no_outcome"),
    (Fault::ReapsNothing, "reaping_ends_what_runs_and_changes_nothing_the_second_time"),
    (Fault::WantsAFolder, "a_folder_that_is_not_there_leaves_nothing_to_reap"),
    (Fault::StartsAfterReaping, "nothing_starts_in_a_session_that_was_reaped"),
    (Fault::BindsNothing, "a_process_reaches_the_host_through_its_listener"),
    (Fault::ListensElsewhere, "a_listener_has_the_address_that_is_announced"),
    (Fault::ListensBackwards, "listeners_come_by_name_and_do_not_block"),
    (Fault::SharesListeners, "processes_with_the_same_listener_do_not_meet"),
];

/// What a broken sandbox does not do within this time it does not do: a sound one does it at once.
const PATIENCE: Duration = Duration::from_secs(3);

struct Factory(Fault);

#[async_trait]
impl SandboxFactory for Factory {
    async fn sandbox(&self) -> Option<Arc<dyn Sandbox>> {
        Some(Arc::new(Broken::new(self.0)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_sandbox_is_caught_by_the_case_that_names_the_rule() {
    let caught = MUTANTS.iter().copied().map(|(fault, name)| {
        let found = cases().into_iter().find(|case| case.name() == name);
        let case = found.unwrap_or_else(|| panic!("there is no case {name}"));
        let checked = tokio::spawn(async move { case.check_within(PATIENCE, &Factory(fault)).await });
        async move { (fault, name, checked.await.is_err_and(|error| error.is_panic())) }
    });
    for (fault, name, is_caught) in futures_util::future::join_all(caught).await {
        assert!(is_caught, "{name} passes a sandbox of which holds: {fault:?}");
    }
    crate::broken::end_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_of_the_same_make_that_breaks_no_rule_passes() {
    for case in cases() {
        case.check(&Factory(Fault::None)).await;
    }
}

#[test]
fn every_case_has_a_sandbox_that_it_catches() {
    for case in cases() {
        assert!(MUTANTS.iter().any(|(_, name)| *name == case.name()), "{}", case.name());
    }
}
