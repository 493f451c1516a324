//! Mistakes about what ties jobs together, and lints.

use striatum_core::workflow::FindingCode::*;

use super::{Mistake, mistake};

pub(super) const MISTAKES: &[Mistake] = &[
    mistake("an edge from nowhere", &[("/edges/0/from", "\"drafts\"")], UnknownJob, "/edges/0/from")
        .correct("draft"),
    mistake("an edge to nowhere", &[("/edges/1/to", "")], MissingKey, "/edges/1/to"),
    mistake("an edge on a failure", &[("/edges/0/on", "\"failed\"")], UnknownValue, "/edges/0/on"),
    mistake(
        "an edge twice",
        &[("/edges/-", "{\"from\": \"draft\", \"to\": \"review\"}")],
        DuplicateEdge,
        "/edges/2",
    ),
    mistake(
        "a ring",
        &[("/jobs/2/needs", ""), ("/edges/-", "{\"from\": \"decide\", \"to\": \"draft\"}")],
        DependencyCycle,
        "/edges/2",
    ),
    mistake(
        "a job that waits for itself",
        &[("/edges/-", "{\"from\": \"draft\", \"to\": \"draft\"}")],
        DependencyCycle,
        "/edges/2",
    ),
    mistake(
        "a way back from a draft",
        &[("/cycles", "[{\"from\": \"decide\", \"to\": \"draft\", \"max_iterations\": 1}]")],
        CycleSourceNotReview,
        "/cycles/0/from",
    ),
    mistake("a way forward", &[("/cycles/0/to", "\"decide\"")], CycleTargetNotUpstream, "/cycles/0/to"),
    mistake("a way back to nowhere", &[("/cycles/0/to", "\"dragt\"")], UnknownJob, "/cycles/0/to")
        .correct("draft"),
    mistake(
        "a way back without end",
        &[("/cycles/0/max_iterations", "")],
        MissingKey,
        "/cycles/0/max_iterations",
    ),
    mistake(
        "a way back that is never taken",
        &[("/cycles/0/max_iterations", "0")],
        OutOfRange,
        "/cycles/0/max_iterations",
    ),
    mistake(
        "a way back on a reject",
        &[("/cycles/0/on_verdict", "\"reject\"")],
        UnknownValue,
        "/cycles/0/on_verdict",
    )
    .correct("needs_revision"),
    mistake(
        "a way back twice",
        &[("/cycles/-", "{\"from\": \"review\", \"to\": \"draft\", \"max_iterations\": 1}")],
        DuplicateCycle,
        "/cycles/1",
    ),
    mistake(
        "a cohort that does not wait",
        &[("/cycles/0/debounce_cohort", "1")],
        NotYetSupported,
        "/cycles/0/debounce_cohort",
    ),
    mistake(
        "two ways back to one job",
        &[
            ("/jobs/2/type", "\"review\""),
            ("/jobs/2/lane_id", "\"reviewer\""),
            ("/jobs/2/fresh_session_required", "true"),
            ("/cycles/-", "{\"from\": \"decide\", \"to\": \"draft\", \"max_iterations\": 1}"),
        ],
        NotYetSupported,
        "/cycles/1/to",
    ),
    mistake(
        "one model for both",
        &[("/lanes/reviewer/display_model", "\"one\"")],
        SameModelReviewPair,
        "/jobs/1/lane_id",
    ),
    mistake(
        "a reviewer who has seen it",
        &[("/jobs/1/fresh_session_required", "")],
        ReviewWithoutFreshContext,
        "/jobs/1",
    ),
];
