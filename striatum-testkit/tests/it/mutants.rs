//! A suite that passes broken stores proves nothing: each of these is caught by the case that names the rule it breaks.

use striatum_testkit::store::cases;

use crate::broken::{BrokenFactory, Fault};

/// Each fault, and the case that must fail.
const MUTANTS: &[(Fault, &str)] = &[
    (Fault::ForgetsWhatItWrote, "the_same_batch_twice_is_one_write"),
    (Fault::TakesABeginningForAll, "a_batch_that_is_only_the_beginning_of_what_followed_conflicts"),
    (Fault::GuardsRepetitions, "a_repeated_batch_is_answered_before_its_guard"),
    (Fault::IgnoresGuards, "a_lapsed_guard_fails_before_the_deadline"),
    (Fault::IgnoresResources, "a_resource_has_one_holder"),
    (Fault::SharesWithinARun, "a_resource_is_not_shared_within_a_run"),
    (Fault::IgnoresTheDigestOfAHead, "the_right_version_with_another_digest_conflicts"),
    (Fault::AppendsToAnyHead, "one_of_many_appends_after_the_same_head_wins"),
    (Fault::TearsBatches, "an_append_whose_caller_left_is_all_or_nothing"),
    (Fault::SkipsBetweenPages, "pages_join_without_gaps"),
    (Fault::IgnoresTheDigestOfACursor, "a_cursor_with_another_digest_is_a_changed_history"),
    (Fault::ChangesTimes, "events_are_sealed_with_the_documented_digest"),
    (Fault::RenewsAnything, "a_lease_that_was_never_granted_is_lost"),
    (Fault::RenewsWhatEnded, "an_ended_lease_is_neither_due_nor_renewed"),
    (Fault::WithholdsNothing, "a_job_shown_to_one_caller_is_withheld_from_others"),
    (Fault::PrefersARun, "every_run_is_shown_before_a_second_job_of_one"),
    (Fault::WakesForAnyChain, "the_growth_of_another_chain_does_not_end_the_wait"),
    (Fault::CountsMarksFromZero, "waiting_from_the_default_mark_returns_at_once"),
    (Fault::ListsOldestFirst, "runs_are_listed_newest_first_in_pages"),
    (Fault::ListsTiesUpwards, "runs_are_listed_newest_first_in_pages"),
    (Fault::ListsWhatIsDoneWith, "active_runs_are_listed_alone_where_asked_for"),
    (Fault::SortsChainsLikeWords, "chains_are_listed_bytewise_by_name"),
    (Fault::CountsRefusedJobs, "jobs_that_the_caller_was_refused_do_not_use_up_the_limit"),
    (Fault::SpeaksOfAllChains, "what_is_due_in_one_chain_is_told_alone"),
    (Fault::RestartsTerms, "reindexing_keeps_the_deadlines_that_stand"),
    (Fault::FreesWhatIsHeld, "reindexing_replaces_what_a_run_holds"),
    (Fault::OverlooksOtherHolders, "reindexing_what_another_run_holds_is_busy"),
    (Fault::IgnoresReindexing, "reindexing_replaces_all_rows_of_one_run"),
    (Fault::ForgetsWhatIsNext, "due_says_how_long_until_the_next"),
    (Fault::AcknowledgesEarly, "what_was_acknowledged_is_there_after_a_crash"),
    (Fault::LeavesHalves, "a_batch_is_whole_or_not_there_after_a_crash"),
    (Fault::KeepsWhatItRefused, "what_was_refused_is_not_there_after_a_crash"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_store_is_caught_by_the_case_that_names_the_rule() {
    for (fault, name) in MUTANTS.iter().copied() {
        let found = cases().into_iter().find(|case| case.name() == name);
        let case = found.unwrap_or_else(|| panic!("there is no case {name}"));
        let factory = BrokenFactory::new(fault);
        let checked = tokio::spawn(async move { case.check(&factory).await }).await;
        assert!(checked.is_err_and(|error| error.is_panic()), "{name} passes a store that is {fault:?}");
    }
}
