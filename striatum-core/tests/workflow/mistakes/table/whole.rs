//! Mistakes about what only the later versions of the format have: what is changed in [`WHOLE`].

use striatum_core::workflow::FindingCode::*;

use super::{Mistake, mistake};

/// A sound document of the second version that uses all of the format.
pub(crate) const WHOLE: &str = include_str!("whole.json");

pub(super) const MISTAKES: &[Mistake] = &[
    mistake("a job of no phase", &[("/jobs/1/phase_id", "")], MissingKey, "/jobs/1/phase_id"),
    mistake("an unknown phase", &[("/jobs/1/phase_id", "\"wrok\"")], UnknownPhase, "/jobs/1/phase_id")
        .correct("work"),
    mistake("a phase whose id is none", &[("/phases/1/id", "\"the end\""), ("/jobs/7/phase_id", "\"the end\""), ("/jobs/8/phase_id", "\"the end\"")], InvalidName, "/phases/1/id"),
    mistake("a phase twice", &[("/phases/-", "{\"id\": \"work\"}")], DuplicatePhase, "/phases/2/id"),
    mistake(
        "a phase that nobody adjudicates",
        &[("/phases/-", "{\"id\": \"after\"}")],
        PhaseWithoutSynthesis,
        "/phases/2",
    ),
    mistake(
        "a phase that is adjudicated twice",
        &[(
            "/jobs/-",
            "{\"id\": \"again\", \"type\": \"phase_synthesis\", \"phase_id\": \"work\", \"role_id\": \"reviewer\",
                \"lane_id\": \"reviewer\", \"objective\": \"Settle.\", \"fresh_session_required\": true,
                \"write_scope\": {\"mode\": \"review_only_artifact\"}}",
        )],
        SecondPhaseSynthesis,
        "/jobs/9/type",
    ),
    mistake(
        "a phase of a synthesis alone",
        &[
            ("/jobs/7/phase_id", "\"work\""),
            ("/jobs/7/needs", ""),
            ("/jobs/8/needs", ""),
            ("/edges/6/from", "\"plan\""),
        ],
        PhaseWithoutPeers,
        "/phases/1",
    ),
    mistake(
        "another synthesis than that of the phase",
        &[("/phases/0/synthesis_job_id", "\"finish\"")],
        PhaseSynthesisMismatch,
        "/phases/0/synthesis_job_id",
    )
    .correct("settle"),
    mistake(
        "a synthesis that is not there",
        &[("/phases/0/synthesis_job_id", "\"setle\"")],
        UnknownJob,
        "/phases/0/synthesis_job_id",
    )
    .correct("settle"),
    mistake("an edge past the synthesis", &[("/edges/6/from", "\"plan\""), ("/jobs/7/needs", "")], CrossPhaseEdge, "/edges/6/from")
        .correct("settle"),
    mistake(
        "an edge back to an earlier phase",
        &[("/edges/6", "{\"from\": \"record\", \"to\": \"plan\"}"), ("/jobs/7/needs", "[]")],
        CrossPhaseEdge,
        "/edges/6/from",
    ),
    mistake(
        "a ring through a synthesis",
        &[("/edges/-", "{\"from\": \"settle\", \"to\": \"plan\"}")],
        DependencyCycle,
        "/edges/7",
    ),
    mistake(
        "a group that may write to one place",
        &[
            ("/jobs/3/write_scope/allowed_paths", "[\"reviews/safe/deep\"]"),
            ("/jobs/3/expected_artifacts", "[]"),
        ],
        ScopesOverlap,
        "/jobs/3/write_scope/allowed_paths",
    ),
    mistake(
        "a group that may write to the same place",
        &[("/jobs/3/write_scope/allowed_paths", "[\"reviews/safe/\"]"), ("/jobs/3/expected_artifacts", "[]")],
        ScopesOverlap,
        "/jobs/3/write_scope/allowed_paths",
    ),
    mistake(
        "a group of all sorts",
        &[("/jobs/5/parallel_group", "\"panel\"")],
        MixedParallelGroup,
        "/jobs/5/parallel_group",
    ),
    mistake("a quorum of nobody", &[("/jobs/1/quorum", "{\"k\": 1}")], QuorumWithoutSeats, "/jobs/1/quorum"),
    mistake(
        "a quorum of a synthesis that hears all",
        &[("/jobs/6/quorum", "{\"k\": 1}")],
        QuorumWithoutSeats,
        "/jobs/6/quorum",
    ),
    mistake("a quorum of too many", &[("/jobs/5/quorum/k", "3")], QuorumExceedsSeats, "/jobs/5/quorum/k")
        .correct("2"),
    mistake("a quorum without a number", &[("/jobs/5/quorum/k", "")], MissingKey, "/jobs/5/quorum/k"),
    mistake("a quorum of none", &[("/jobs/5/quorum/k", "0")], OutOfRange, "/jobs/5/quorum/k"),
    mistake(
        "a veto of nobody",
        &[("/jobs/5/quorum/veto_roles", "[\"author\"]")],
        VetoWithoutSeat,
        "/jobs/5/quorum/veto_roles/0",
    ),
    mistake(
        "a veto of a role that is not there",
        &[("/jobs/5/quorum/veto_roles", "[\"skeptick\"]")],
        UnknownRole,
        "/jobs/5/quorum/veto_roles/0",
    )
    .correct("skeptic"),
    mistake(
        "a veto twice",
        &[("/jobs/5/quorum/veto_roles/-", "\"skeptic\"")],
        DuplicateEntry,
        "/jobs/5/quorum/veto_roles/1",
    ),
    mistake(
        "a posture that only an opinion gives",
        &[("/jobs/1/required_review_postures", "[\"ergonomics_dx\"]")],
        PostureNotGiven,
        "/jobs/1/required_review_postures/0",
    ),
    mistake(
        "a posture twice",
        &[("/jobs/1/required_review_postures/-", "\"security\"")],
        DuplicateEntry,
        "/jobs/1/required_review_postures/1",
    ),
    mistake("a budget of nothing", &[("/budget/turns", "0")], OutOfRange, "/budget/turns"),
    mistake(
        "a budget in words",
        &[("/jobs/0/budget/tokens", "\"many\"")],
        WrongType,
        "/jobs/0/budget/tokens",
    ),
    mistake(
        "a way to compare models that is none",
        &[("/independence/model", "\"declaerd\"")],
        UnknownValue,
        "/independence/model",
    )
    .correct("declared"),
    mistake(
        "a family of every model",
        &[("/independence/families/", "\"all\"")],
        EmptyValue,
        "/independence/families/",
    ),
    mistake(
        "a family without a name",
        &[("/independence/families/gpt-", "\"\"")],
        EmptyValue,
        "/independence/families/gpt-",
    ),
    mistake(
        "a checkpoint that is none",
        &[("/ai_operator_may/-", "\"rejectd\"")],
        UnknownValue,
        "/ai_operator_may/2",
    )
    .correct("rejected"),
    mistake(
        "a checkpoint twice",
        &[("/ai_operator_may/-", "\"planned\"")],
        DuplicateEntry,
        "/ai_operator_may/2",
    ),
    mistake("a misspelt key of a phase", &[("/phases/0/titel", "1")], UnknownKey, "/phases/0/titel"),
    mistake(
        "a resource without an id",
        &[("/jobs/1/shared_resources/0/id", "")],
        MissingKey,
        "/jobs/1/shared_resources/0/id",
    ),
];
