//! Mistakes about jobs.

use striatum_core::workflow::FindingCode::*;

use super::{Mistake, mistake};

pub(super) const MISTAKES: &[Mistake] = &[
    mistake("a job that is none", &[("/jobs/-", "\"draft\"")], WrongType, "/jobs/3"),
    mistake("a job of an unknown type", &[("/jobs/0/type", "\"drfat\"")], UnknownValue, "/jobs/0/type")
        .correct("draft"),
    mistake(
        "a synthesis of no phase",
        &[("/jobs/1/type", "\"phase_synthesis\"")],
        MissingKey,
        "/jobs/1/phase_id",
    ),
    mistake("a phase that is not there", &[("/jobs/1/phase_id", "\"work\"")], UnknownPhase, "/jobs/1/phase_id"),
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
        "a reject of a checkpoint",
        &[("/jobs/2/on_reject", "\"checkpoint\"")],
        MisplacedKey,
        "/jobs/2/on_reject",
    ),
    mistake("a quorum", &[("/jobs/2/quorum", "{\"k\": 1}")], NewerVersionNeeded, "/jobs/2/quorum"),
    mistake("a budget of a job", &[("/jobs/0/budget", "{\"tokens\": 5}")], NewerVersionNeeded, "/jobs/0/budget"),
    mistake(
        "a seat that is none",
        &[("/jobs/1/panel_role", "\"gatting\"")],
        UnknownValue,
        "/jobs/1/panel_role",
    )
    .correct("gating"),
    mistake(
        "a resource in part, but not which",
        &[("/jobs/0/shared_resources", "[{\"id\": \"db\", \"mode\": \"per_lane_namespace\"}]")],
        MissingKey,
        "/jobs/0/shared_resources/0/namespace",
    ),
    mistake(
        "a resource as a whole, and in part",
        &[("/jobs/0/shared_resources", "[{\"id\": \"db\", \"namespace\": \"a\"}]")],
        Contradiction,
        "/jobs/0/shared_resources/0/namespace",
    ),
    mistake(
        "a resource twice",
        &[("/jobs/0/shared_resources", "[\"db\", {\"id\": \"db\"}]")],
        DuplicateEntry,
        "/jobs/0/shared_resources/1",
    ),
    mistake(
        "somebody to ask who does not offer it",
        &[("/jobs/1/interrogation_targets", "[\"draft\"]")],
        TargetNotInterrogable,
        "/jobs/1/interrogation_targets/0",
    ),
    mistake(
        "somebody to ask who is not there",
        &[("/jobs/1/interrogation_targets", "[{\"workflow_job_id\": \"draf\"}]")],
        UnknownJob,
        "/jobs/1/interrogation_targets/0/workflow_job_id",
    )
    .correct("draft"),
    mistake(
        "somebody who is to be asked in any case",
        &[
            ("/jobs/1/interrogation_targets", "[{\"workflow_job_id\": \"draft\", \"required\": true}]"),
            ("/jobs/0/interrogable", "true"),
        ],
        NotYetSupported,
        "/jobs/1/interrogation_targets/0/required",
    ),
    mistake(
        "somebody to ask who comes later",
        &[("/jobs/0/interrogation_targets", "[\"review\"]"), ("/jobs/1/interrogable", "true")],
        TargetNotUpstream,
        "/jobs/0/interrogation_targets/0",
    ),
    mistake(
        "somebody to ask twice",
        &[
            ("/jobs/1/interrogation_targets", "[\"draft\", {\"workflow_job_id\": \"draft\"}]"),
            ("/jobs/0/interrogable", "true"),
        ],
        DuplicateEntry,
        "/jobs/1/interrogation_targets/1",
    ),
    mistake(
        "postures that a draft requires",
        &[("/jobs/0/required_review_postures", "[\"security\"]")],
        MisplacedKey,
        "/jobs/0/required_review_postures",
    ),
    mistake(
        "a posture that nobody gives",
        &[("/jobs/0/type", "\"build\""), ("/jobs/0/required_review_postures", "[\"security\"]")],
        PostureNotGiven,
        "/jobs/0/required_review_postures/0",
    ),
    mistake(
        "a seat on a draft",
        &[("/jobs/0/panel_role", "\"advisory\"")],
        MisplacedKey,
        "/jobs/0/panel_role",
    ),
    mistake(
        "a way back from an opinion",
        &[("/jobs/1/panel_role", "\"advisory\"")],
        MisplacedKey,
        "/cycles/0/from",
    ),
    mistake(
        "more abstentions than seats",
        &[("/jobs/0/max_gating_abstentions", "2")],
        AbstentionsExceedSeats,
        "/jobs/0/max_gating_abstentions",
    )
    .correct("1"),
    mistake(
        "an attested lane of a draft",
        &[("/jobs/0/require_attested_lane", "true")],
        MisplacedKey,
        "/jobs/0/require_attested_lane",
    ),
    mistake(
        "a group whose name is none",
        &[("/jobs/0/parallel_group", "\"a b\"")],
        InvalidName,
        "/jobs/0/parallel_group",
    ),
    mistake(
        "only opinions",
        &[
            ("/jobs", "[{\"id\": \"look\", \"type\": \"review\", \"panel_role\": \"advisory\", \"role_id\": \"reviewer\",
                \"lane_id\": \"reviewer\", \"objective\": \"Look.\", \"fresh_session_required\": true,
                \"write_scope\": {\"mode\": \"review_only_artifact\"}}]"),
            ("/edges", "[]"),
            ("/cycles", "[]"),
        ],
        NoExit,
        "/jobs",
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
            ("/review_revision_policy", "{\"root_review_needs_revision\": \"human_checkpoint\"}"),
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
