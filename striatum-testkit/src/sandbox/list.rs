//! The list of cases: written once, read by `sandbox_conformance!` and by [`cases`].

use super::Case;

/// Hands the list of cases to another macro of this crate, behind what that macro is to be given besides.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_sandbox_cases {
    ($macro:ident $($given:tt)*) => {
        $crate::$macro! {
            ($($given)*)
            start {
                a_program_runs_in_its_work_tree,
                a_program_is_found_by_its_name,
                a_program_that_is_not_there_is_not_found,
                a_file_that_is_no_program_is_denied,
                an_exec_without_a_program_is_refused,
                a_demand_beyond_the_offer_is_refused_by_name,
                a_folder_serves_one_session,
                what_is_mounted_can_be_read,
                what_is_mounted_to_be_written_can_be_changed,
            }
            environment {
                a_process_finds_what_was_named_and_nothing_else,
                what_the_sandbox_sets_cannot_be_set_by_others,
                a_home_and_a_folder_for_temporary_files_can_be_written,
                a_variable_arrives_as_it_was_given,
            }
            streams {
                input_reaches_the_process_and_so_does_its_end,
                both_outputs_arrive_apart,
                output_beyond_the_limit_is_thrown_away_and_blocks_nobody,
                a_daemon_does_not_keep_the_output_open,
            }
            ending {
                an_end_of_its_own_is_told_as_often_as_it_is_asked_for,
                waiting_may_be_given_up_and_taken_up,
                a_kill_ends_all_that_the_process_started,
                a_process_that_will_not_end_is_killed_after_the_grace,
                a_process_that_is_asked_to_end_may_say_goodbye,
                dropping_the_process_ends_it,
                dropping_the_session_ends_all_that_is_in_it,
                closing_the_session_ends_a_daemon,
                processes_of_one_session_end_by_themselves,
            }
            reaping {
                an_end_of_its_own_is_on_record,
                a_killed_process_has_no_outcome,
                reaping_ends_what_runs_and_changes_nothing_the_second_time,
                a_folder_that_is_not_there_leaves_nothing_to_reap,
                nothing_starts_in_a_session_that_was_reaped,
            }
            listener {
                a_process_reaches_the_host_through_its_listener,
                a_listener_has_the_address_that_is_announced,
                listeners_come_by_name_and_do_not_block,
                processes_with_the_same_listener_do_not_meet,
            }
        }
    };
}

/// Certifies a sandbox: expands to one test per case of the suite.
///
/// The argument is an expression that gives a [`SandboxFactory`](crate::sandbox::SandboxFactory). It is evaluated for each test,
/// inside an `async` block on a tokio runtime with several threads. Use the macro in a module of its own.
#[macro_export]
macro_rules! sandbox_conformance {
    ($factory:expr) => {
        $crate::__with_sandbox_cases! { __sandbox_tests $factory }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __sandbox_tests {
    (($factory:expr) $($module:ident { $($case:ident,)* })*) => {$($(
        #[test]
        fn $case() -> ::std::io::Result<()> {
            $crate::__private::run(async { $crate::sandbox::$module::$case(&$factory).await })
        }
    )*)*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __sandbox_case_values {
    (() $($module:ident { $($case:ident,)* })*) => {
        vec![$($(
            Case {
                name: stringify!($case),
                check: |factory| Box::pin($crate::sandbox::$module::$case(factory)),
            },
        )*)*]
    };
}

/// All cases of the suite, for harnesses that are not `#[test]`.
///
/// ```
/// let names: Vec<_> = striatum_testkit::sandbox::cases().iter().map(|case| case.name()).collect();
/// assert!(names.contains(&"a_kill_ends_all_that_the_process_started"));
/// ```
pub fn cases() -> Vec<Case> {
    crate::__with_sandbox_cases! { __sandbox_case_values }
}
