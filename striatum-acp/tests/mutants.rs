//! A suite that passes broken transports proves nothing: each of these is caught by the case that names the rule it breaks.

use striatum_core::transport::AgentTransport;
use striatum_testkit::transport::{Deed, Playing, Puppet, TransportFactory, Turns, cases};

use crate::{
    broken::{BrokenTransport, Fault},
    conformance::Acp,
};

/// Each fault, and the case that must fail.
const MUTANTS: &[(Fault, &str)] = &[
    (Fault::LosesWords, "what_an_agent_says_arrives_in_order"),
    (Fault::SwapsWords, "what_an_agent_says_arrives_in_order"),
    (Fault::MixesStreams, "what_it_complains_of_is_told_apart"),
    (Fault::DropsComplaints, "what_it_complains_of_is_told_apart"),
    (Fault::TakesComplaintsForFailures, "complaints_alone_do_not_end_a_session"),
    (Fault::GluesPieces, "a_long_text_comes_in_pieces"),
    (Fault::CutsCharacters, "no_piece_ends_within_a_character"),
    (Fault::TidiesText, "control_characters_arrive_as_they_are"),
    (Fault::ForgetsTheLastWord, "the_last_words_before_the_end_arrive"),
    (Fault::ReadsAhead, "a_flood_waits_for_its_reader"),
    (Fault::TrimsTasks, "a_task_arrives_word_for_word"),
    (Fault::CutsTasks, "a_task_of_a_megabyte_arrives"),
    (Fault::RefusesEmptyTasks, "an_empty_task_is_a_task"),
    (Fault::WaitsForTheReader, "a_task_is_taken_before_it_is_read"),
    (Fault::TakesTwoTasks, "a_second_task_at_once_is_refused"),
    (Fault::GivesTasksToTheDead, "a_task_after_the_end_is_refused"),
    (Fault::TakesOneTask, "a_task_follows_another_or_is_refused"),
    (Fault::TellsOfNoTurn, "a_finished_task_is_told_of"),
    (Fault::EndsTwice, "an_end_is_told_once_and_then_nothing"),
    (Fault::TellsOfNoEnd, "an_agent_that_dies_wakes_whoever_listens"),
    (Fault::RoundsStatuses, "an_end_has_the_status_of_its_process"),
    (Fault::TakesSignalsForStatuses, "a_signal_is_told_as_such"),
    (Fault::ForgetsToClose, "closing_ends_the_process"),
    (Fault::LeaksWhenDropped, "a_dropped_session_leaves_no_process"),
    (Fault::IgnoresCancels, "an_agent_that_is_cancelled_stops"),
    (Fault::CancelsOnce, "cancelling_twice_is_cancelling_once"),
    (Fault::RefusesEarlyCancels, "cancelling_before_a_task_does_no_harm"),
    (Fault::RefusesLateCancels, "cancelling_after_the_end_does_no_harm"),
    (Fault::WaitsForEver, "an_agent_that_ignores_a_cancel_is_ended"),
    (Fault::LosesWhatIsNotAwaited, "whoever_stops_listening_loses_nothing"),
    (Fault::MixesSessions, "two_sessions_do_not_mix"),
    (Fault::AnswersAnything, "an_answer_to_nothing_is_refused"),
    (Fault::ForgetsWhoItSpeaksTo, "an_agent_is_what_it_says_and_stays_so"),
    (Fault::RenamesConversations, "a_conversation_keeps_its_name"),
    (Fault::ShowsTokens, "nothing_shows_a_token"),
    (Fault::TellsOfFailuresTwice, "garbage_breaks_nothing"),
];

struct Factory(Fault);

impl TransportFactory for Factory {
    fn transport(&self) -> Box<dyn AgentTransport> {
        Box::new(BrokenTransport::new(self.0))
    }

    fn turns(&self) -> Turns {
        Acp.turns()
    }

    fn play(&self, puppet: Puppet, script: Vec<Deed>) -> Playing {
        Acp.play(puppet, script)
    }
}

#[test]
fn every_broken_transport_is_caught_by_the_case_that_names_the_rule() {
    for (fault, name) in MUTANTS.iter().copied() {
        let found = cases().into_iter().find(|case| case.name() == name);
        let case = found.unwrap_or_else(|| panic!("there is no case {name}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let checked = runtime
            .expect("a runtime")
            .block_on(async { tokio::spawn(async move { case.check(&Factory(fault)).await }).await });
        assert!(checked.is_err_and(|error| error.is_panic()), "{name} passes a transport that is {fault:?}");
    }
}

#[test]
fn the_suite_is_as_large_as_it_is_said_to_be() {
    assert!(cases().len() >= 50, "{}", cases().len());
}
