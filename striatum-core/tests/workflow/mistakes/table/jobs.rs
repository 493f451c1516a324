//! Mistakes about jobs.

use striatum_core::workflow::FindingCode::*;

use super::{Mistake, mistake};

pub(super) const MISTAKES: &[Mistake] = &[
    mistake("a job that is none", &[("/jobs/-", "\"draft\"")], WrongType, "/jobs/3"),
    mistake("a job of an unknown type", &[("/jobs/0/type", "\"drfat\"")], UnknownValue, "/jobs/0/type")
        .correct("draft"),
    mistake(
        "a synthesis of phases",
        &[("/jobs/1/type", "\"phase_synthesis\"")],
        NotYetSupported,
        "/jobs/1/type",
    ),
    mistake("a job without a role", &[("/jobs/0/role_id", "")], MissingKey, "/jobs/0/role_id"),
    mistake("a role that is not there", &[("/jobs/0/role_id", "\"authro\"")], UnknownRole, "/jobs/0/role_id")
        .correct("author"),
    mistake("a lane that is not there", &[("/jobs/0/lane_id", "\"fast\"")], UnknownLane, "/jobs/0/lane_id"),
    mistake(
        "a comment for a lane",
        &[("/lanes/_comment", "{}"), ("/jobs/0/lane_id", "\"_comment\"")],
        UnknownLane,
        "/jobs/0/lane_id",
    ),
    mistake("a job that is told nothing", &[("/jobs/1/objective", "")], MissingKey, "/jobs/1/objective"),
    mistake(
        "a prompt twice",
        &[("/jobs/0/task_prompt/inline", "\"Write.\"")],
        Contradiction,
        "/jobs/0/task_prompt",
    ),
    mistake("a prompt without one", &[("/jobs/0/task_prompt", "{}")], MissingKey, "/jobs/0/task_prompt/path"),
    mistake(
        "a prompt in git's folder",
        &[("/jobs/0/task_prompt/path", "\".git/config\"")],
        InvalidPath,
        "/jobs/0/task_prompt/path",
    ),
    mistake(
        "a prompt that is blank",
        &[("/jobs/0/task_prompt", "{\"inline\": \" \"}")],
        EmptyValue,
        "/jobs/0/task_prompt/inline",
    ),
    mistake("no attempt", &[("/jobs/0/max_attempts", "0")], OutOfRange, "/jobs/0/max_attempts"),
    mistake("a lease of no time", &[("/jobs/0/lease_seconds", "0")], OutOfRange, "/jobs/0/lease_seconds"),
    mistake(
        "a flag in words",
        &[("/jobs/0/fresh_session_required", "\"yes\"")],
        WrongType,
        "/jobs/0/fresh_session_required",
    ),
    mistake(
        "a posture that is none",
        &[("/jobs/1/review_posture", "\"secruity\"")],
        UnknownValue,
        "/jobs/1/review_posture",
    )
    .correct("security"),
    mistake(
        "a posture on a draft",
        &[("/jobs/0/review_posture", "\"security\"")],
        MisplacedKey,
        "/jobs/0/review_posture",
    ),
    mistake(
        "a lease on a checkpoint",
        &[("/jobs/2/lease_seconds", "9")],
        MisplacedKey,
        "/jobs/2/lease_seconds",
    ),
    mistake(
        "a reject of a draft",
        &[("/jobs/0/on_reject", "\"checkpoint\"")],
        MisplacedKey,
        "/jobs/0/on_reject",
    ),
    mistake(
        "a parallel group",
        &[("/jobs/0/parallel_group", "\"all\"")],
        NotYetSupported,
        "/jobs/0/parallel_group",
    ),
    mistake("a quorum", &[("/jobs/2/quorum", "{\"k\": 1}")], NotYetSupported, "/jobs/2/quorum"),
    mistake(
        "an advisory seat",
        &[("/jobs/1/panel_role", "\"advisory\"")],
        NotYetSupported,
        "/jobs/1/panel_role",
    ),
    mistake(
        "a seat that is none",
        &[("/jobs/1/panel_role", "\"gatting\"")],
        UnknownValue,
        "/jobs/1/panel_role",
    )
    .correct("gating"),
    mistake(
        "shared resources",
        &[("/jobs/0/shared_resources", "[\"db\"]")],
        NotYetSupported,
        "/jobs/0/shared_resources",
    ),
    mistake(
        "someone to ask",
        &[("/jobs/1/interrogation_targets", "[\"draft\"]")],
        NotYetSupported,
        "/jobs/1/interrogation_targets",
    ),
    mistake(
        "postures that are required",
        &[("/jobs/0/required_review_postures", "[\"security\"]")],
        NotYetSupported,
        "/jobs/0/required_review_postures",
    ),
    mistake(
        "abstentions",
        &[("/jobs/0/max_gating_abstentions", "1")],
        NotYetSupported,
        "/jobs/0/max_gating_abstentions",
    ),
    mistake(
        "an attested lane",
        &[("/jobs/1/require_attested_lane", "true")],
        NotYetSupported,
        "/jobs/1/require_attested_lane",
    ),
    mistake("needs that no edge gives", &[("/jobs/2/needs", "[\"draft\"]")], NeedsMismatch, "/jobs/2/needs")
        .correct("[\"review\"]"),
    mistake(
        "needs of a job that is not there",
        &[("/jobs/2/needs", "[\"reviw\"]")],
        UnknownJob,
        "/jobs/2/needs/0",
    )
    .correct("review"),
    mistake(
        "an input from later on",
        &[("/jobs/0/inputs", "[\"a.md\", \"decide\"]")],
        InputNotUpstream,
        "/jobs/0/inputs/1",
    ),
    mistake(
        "an input that is almost a job",
        &[("/jobs/1/inputs", "[\"darft\"]")],
        InputLooksLikeJob,
        "/jobs/1/inputs/0",
    )
    .correct("draft"),
    mistake(
        "an input outside",
        &[("/jobs/1/inputs", "[\"draft\", \"a\\\\b\"]")],
        InvalidPath,
        "/jobs/1/inputs/1",
    )
    .correct("a/b"),
    mistake(
        "two jobs of an id that looks like none",
        &[
            ("/jobs/0/id", "\"_\""),
            ("/jobs/2/id", "\"_\""),
            ("/jobs/1/inputs", "[]"),
            ("/edges", "[{\"from\": \"_\", \"to\": \"review\"}]"),
            ("/cycles", "[]"),
        ],
        DuplicateJob,
        "/jobs/2/id",
    ),
    mistake(
        "a job whose id is none, and an edge from it",
        &[
            ("/jobs/0/id", "\"a b\""),
            ("/jobs/1/inputs", "[]"),
            ("/edges/0/from", "\"a b\""),
            ("/cycles", "[]"),
        ],
        InvalidName,
        "/jobs/0/id",
    ),
    mistake(
        "two jobs of one id",
        &[("/jobs/2/id", "\"draft\""), ("/edges/1/to", "\"draft\"")],
        DuplicateJob,
        "/jobs/2/id",
    ),
];
