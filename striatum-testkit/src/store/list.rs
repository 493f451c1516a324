//! The list of cases: written once, read by `store_conformance!` and by [`cases`].

use super::Case;

/// Hands the list of cases to another macro of this crate, behind what that macro is to be given besides.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_store_cases {
    ($macro:ident $($given:tt)*) => {
        $crate::$macro! {
            ($($given)*)
            append {
                opening_a_chain_again_changes_nothing,
                chains_are_listed_bytewise_by_name,
                an_append_moves_the_heads_of_run_and_chain,
                events_are_sealed_with_the_documented_digest,
                the_bytes_come_back_as_they_were_given,
                the_same_batch_twice_is_one_write,
                a_repeated_batch_is_recognised_after_other_runs_moved_on,
                a_repeated_batch_is_answered_before_its_guard,
                a_repeated_batch_is_answered_before_its_resources,
                a_repeated_batch_leaves_the_index_alone,
                other_bytes_after_the_same_head_conflict,
                another_version_conflicts,
                the_right_version_with_another_digest_conflicts,
                a_batch_that_is_only_the_beginning_of_what_followed_conflicts,
                a_batch_that_goes_on_after_what_followed_conflicts,
                a_conflict_comes_before_a_failed_guard_and_that_before_a_busy_resource,
                a_refused_batch_writes_nothing,
                a_thousand_events_are_one_batch,
                times_never_go_backwards_when_the_clock_does,
                events_carry_the_time_of_the_stores_clock,
                a_chain_that_was_not_opened_is_an_error,
                a_run_stays_in_its_chain,
                two_chains_are_independent,
            }
            read {
                pages_join_without_gaps,
                a_cursor_with_another_digest_is_a_changed_history,
                a_cursor_beyond_the_head_is_a_changed_history,
                a_run_is_read_from_a_version_on,
                a_run_head_that_never_was_is_a_changed_history,
                an_unknown_run_has_no_events,
                runs_are_listed_newest_first_in_pages,
                runs_are_filtered_by_status_and_chain,
                active_runs_are_listed_alone_where_asked_for,
                a_summary_says_what_the_last_batch_said,
                a_damaged_event_is_corrupt_for_its_run_alone,
                what_was_appended_survives_closing,
            }
            index {
                a_job_is_ready_until_an_event_says_otherwise,
                a_ready_job_comes_with_what_a_claim_needs,
                what_one_batch_removes_and_inserts_is_there,
                a_run_that_hands_out_nothing_shows_no_jobs,
                a_job_that_waits_is_ready_when_its_timer_has_run_out,
                a_job_whose_resource_is_held_is_not_ready,
                ready_jobs_are_filtered,
                a_job_shown_to_one_caller_is_withheld_from_others,
                a_withheld_job_is_shown_again_after_the_hold,
                a_hold_of_no_length_withholds_nothing,
                a_job_that_was_not_shown_is_not_withheld,
                jobs_that_the_caller_was_refused_do_not_use_up_the_limit,
                every_run_is_shown_before_a_second_job_of_one,
            }
            reindex {
                a_rebuilt_index_equals_the_grown_one,
                reindexing_replaces_all_rows_of_one_run,
                reindexing_keeps_the_deadlines_that_stand,
                what_reindexing_brings_back_gets_a_full_term,
                reindexing_replaces_what_a_run_holds,
                reindexing_what_another_run_holds_is_busy,
                an_index_that_is_not_sound_is_refused,
                reindexing_a_run_that_has_moved_conflicts,
                a_store_without_its_indexes_still_appends,
            }
            resource {
                a_resource_has_one_holder,
                a_resource_is_not_shared_within_a_run,
                a_limit_of_two_is_two_slots,
                the_first_busy_resource_is_named,
                a_freed_resource_can_be_taken,
                freeing_what_another_run_holds_changes_nothing,
                what_is_freed_is_free_before_anything_is_taken,
            }
            lease {
                a_lease_is_due_after_its_term,
                a_renewal_moves_the_deadline,
                a_renewal_never_moves_a_deadline_backwards,
                a_lease_that_was_never_granted_is_lost,
                a_lapsed_lease_that_no_event_ended_is_renewed,
                renewals_are_answered_in_the_order_of_the_question,
                an_ended_lease_is_neither_due_nor_renewed,
                a_lapsed_guard_fails_before_the_deadline,
                a_lapsed_guard_passes_once,
                a_lapsed_guard_fails_after_a_renewal,
                a_lapsed_guard_looks_at_the_whole_fence,
                a_due_guard_passes_when_its_timer_has_run_out,
                a_timer_that_has_run_out_stays_so_until_it_is_stopped,
                due_says_how_long_until_the_next,
                what_is_longest_due_comes_first,
                what_is_due_in_one_chain_is_told_alone,
            }
            wait {
                waiting_from_the_default_mark_returns_at_once,
                waiting_from_an_old_mark_returns_at_once,
                an_append_elsewhere_ends_the_wait,
                every_waiter_is_woken,
                the_growth_of_another_chain_does_not_end_the_wait,
                a_wait_that_was_dropped_loses_nothing,
            }
            crash {
                what_was_acknowledged_is_there_after_a_crash,
                a_batch_is_whole_or_not_there_after_a_crash,
                what_was_refused_is_not_there_after_a_crash,
            }
            race {
                one_of_many_appends_after_the_same_head_wins,
                the_same_batch_at_the_same_time_is_one_write,
                appends_to_many_runs_leave_no_gap,
                a_reader_among_writers_sees_no_gap,
                a_chain_that_many_open_begins_once,
                one_of_many_claims_of_a_resource_wins,
                claims_of_several_resources_do_not_lock_up,
                a_guard_and_a_renewal_never_both_win,
                an_append_whose_caller_left_is_all_or_nothing,
            }
        }
    };
}

/// Certifies a store: expands to one test per case of the suite.
///
/// The argument is an expression that gives a [`StoreFactory`](crate::store::StoreFactory). It is evaluated for each test,
/// inside an `async` block on a tokio runtime with several threads, so it may use `.await`. Use the macro in a module of its
/// own. An example stands at [`StoreFactory`](crate::store::StoreFactory).
#[macro_export]
macro_rules! store_conformance {
    ($factory:expr) => {
        $crate::__with_store_cases! { __store_tests $factory }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_tests {
    (($factory:expr) $($module:ident { $($case:ident,)* })*) => {$($(
        #[test]
        fn $case() -> ::std::io::Result<()> {
            $crate::__private::run(async { $crate::store::$module::$case(&$factory).await })
        }
    )*)*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_case_values {
    (() $($module:ident { $($case:ident,)* })*) => {
        vec![$($(
            Case {
                name: stringify!($case),
                check: |factory| Box::pin($crate::store::$module::$case(factory)),
            },
        )*)*]
    };
}

/// All cases of the suite, for harnesses that are not `#[test]`.
///
/// ```
/// let names: Vec<_> = striatum_testkit::store::cases().iter().map(|case| case.name()).collect();
/// assert!(names.contains(&"the_same_batch_twice_is_one_write"));
/// ```
pub fn cases() -> Vec<Case> {
    crate::__with_store_cases! { __store_case_values }
}
