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
        &[
            ("/cycles", "[{\"from\": \"decide\", \"to\": \"draft\", \"max_iterations\": 1}]"),
            ("/review_revision_policy", "{\"root_review_needs_revision\": \"human_checkpoint\"}"),
        ],
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
        "a cohort in a word",
        &[("/cycles/0/debounce_cohort", "\"most\"")],
        UnknownValue,
        "/cycles/0/debounce_cohort",
    )
    .correct("all"),
    mistake(
        "a cohort of nobody",
        &[("/cycles/0/debounce_cohort", "0")],
        OutOfRange,
        "/cycles/0/debounce_cohort",
    ),
    mistake(
        "one model for both, back and forth",
        &[("/lanes/reviewer/display_model", "\"one\"")],
        SameModelRevisionCycle,
        "/cycles/0",
    ),
    mistake(
        "one model for both",
        &[
            ("/lanes/reviewer/display_model", "\"one\""),
            ("/cycles", "[]"),
            ("/review_revision_policy", "{\"root_review_needs_revision\": \"human_checkpoint\"}"),
        ],
        SameModelReviewPair,
        "/jobs/1/lane_id",
    ),
    mistake("nobody to revise", &[("/cycles", "[]")], MissingReviewEscalationPath, "/jobs/1"),
    mistake(
        "a branch that is all there is",
        &[("/jobs/1/on_reject", "\"skip_branch\"")],
        UnreachableExit,
        "/jobs/1/on_reject",
    ),
    mistake(
        "writing beside others without a tree",
        &[("/parallelism/max_active_jobs", "2")],
        RepoWriteWithoutWorktreeIsolation,
        "/jobs/0/lane_id",
    ),
    mistake(
        "a reviewer who has seen it",
        &[("/jobs/1/fresh_session_required", "")],
        ReviewWithoutFreshContext,
        "/jobs/1",
    ),
];
