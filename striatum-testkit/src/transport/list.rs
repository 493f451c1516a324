//! The list of cases: written once, read by `transport_conformance!` and by [`cases`].

use super::Case;

/// Hands the list of cases to another macro of this crate, behind what that macro is to be given besides.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_transport_cases {
    ($macro:ident $($given:tt)*) => {
        $crate::$macro! {
            ($($given)*)
            words {
                what_an_agent_says_arrives_in_order,
                what_it_complains_of_is_told_apart,
                a_long_text_comes_in_pieces,
                no_piece_ends_within_a_character,
                many_small_words_arrive,
                control_characters_arrive_as_they_are,
                the_last_words_before_the_end_arrive,
                complaints_alone_do_not_end_a_session,
                complaints_without_end_do_not_hold_an_agent_up,
                an_agent_that_says_nothing_says_nothing,
                a_flood_waits_for_its_reader,
            }
            tasks {
                a_task_arrives_word_for_word,
                a_task_of_a_megabyte_arrives,
                an_empty_task_is_a_task,
                a_task_is_taken_before_it_is_read,
                a_second_task_at_once_is_refused,
                a_task_after_the_end_is_refused,
                a_task_follows_another_or_is_refused,
                a_finished_task_is_told_of,
            }
            ends {
                an_end_is_told_once_and_then_nothing,
                an_end_has_the_status_of_its_process,
                a_signal_is_told_as_such,
                an_agent_may_die_before_it_has_a_task,
                an_agent_may_die_with_half_of_its_task,
                an_agent_may_die_with_its_task,
                an_agent_may_die_in_the_middle_of_a_word,
                an_agent_that_dies_wakes_whoever_listens,
                closing_ends_the_process,
                closing_after_the_end_does_no_harm,
                closing_ends_an_agent_that_reads_nothing,
                closing_ends_an_agent_that_floods,
                closing_ends_an_agent_whose_outputs_are_closed,
                a_dropped_session_leaves_no_process,
                a_session_that_was_never_used_leaves_no_process,
            }
            cancels {
                an_agent_that_is_cancelled_stops,
                cancelling_twice_is_cancelling_once,
                cancelling_before_a_task_does_no_harm,
                cancelling_after_the_end_does_no_harm,
                an_agent_may_die_while_it_is_cancelled,
                an_agent_that_ignores_a_cancel_is_ended,
            }
            listening {
                whoever_stops_listening_loses_nothing,
                whoever_stops_listening_still_learns_of_the_end,
                two_sessions_do_not_mix,
                a_session_may_be_handed_on,
            }
            answers {
                an_answer_to_nothing_is_refused,
                an_answer_after_the_end_is_refused,
                an_agent_is_what_it_says_and_stays_so,
                a_conversation_keeps_its_name,
                nothing_shows_a_token,
            }
            hostile {
                bytes_that_are_no_text_break_nothing,
                garbage_breaks_nothing,
                a_line_without_end_breaks_nothing,
                an_agent_that_says_nothing_sensible_is_bounded,
                a_process_without_streams_is_no_session,
            }
        }
    };
}

/// Certifies a transport: makes one test for each case of the suite, which is built from the factory that the expression gives.
///
/// ```text
/// striatum_testkit::transport_conformance!(MyFactory);
/// ```
#[macro_export]
macro_rules! transport_conformance {
    ($factory:expr $(,)?) => {
        $crate::__with_transport_cases!(__transport_tests $factory);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __transport_tests {
    (($factory:expr) $($module:ident { $($case:ident,)* })*) => {
        $($(
            #[test]
            fn $case() {
                let factory = $factory;
                $crate::__private::run_paused(
                    $crate::transport::$module::$case(&factory),
                )
                .expect("a runtime");
            }
        )*)*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __transport_list {
    (() $($module:ident { $($case:ident,)* })*) => {
        vec![$($(
            Case {
                name: stringify!($case),
                check: |factory| Box::pin($crate::transport::$module::$case(factory)),
            },
        )*)*]
    };
}

/// Every case, in the order of the documentation of the port.
pub fn cases() -> Vec<Case> {
    crate::__with_transport_cases!(__transport_list)
}
