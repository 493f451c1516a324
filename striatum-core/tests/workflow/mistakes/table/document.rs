//! Mistakes about the document as a whole.

use striatum_core::workflow::FindingCode::*;

use super::{Mistake, mistake};

pub(super) const MISTAKES: &[Mistake] = &[
    mistake("no version", &[("/schema_version", "")], MissingKey, "/schema_version"),
    mistake(
        "an unknown version",
        &[("/schema_version", "\"striatum.workflow.v9\"")],
        UnsupportedSchemaVersion,
        "/schema_version",
    )
    .correct("striatum.workflow.v1"),
    mistake("no id", &[("/workflow_id", "")], MissingKey, "/workflow_id"),
    mistake("an id that is no name", &[("/workflow_id", "\"my flow\"")], InvalidName, "/workflow_id")
        .correct("my_flow"),
    mistake("a number for a name", &[("/name", "1")], WrongType, "/name"),
    mistake("a misspelt key", &[("/edgse", "[]")], UnknownKey, "/edgse").correct("edges"),
    mistake("a mode that is none", &[("/branch/mode", "\"atuo\"")], UnknownValue, "/branch/mode")
        .correct("auto"),
    mistake(
        "a branch git refuses",
        &[("/branch/suggested_name", "\"a branch\"")],
        InvalidBranchName,
        "/branch/suggested_name",
    )
    .correct("a_branch"),
    mistake(
        "a coordinator without a role",
        &[("/coordinator/role_id", "\"nobody\"")],
        UnknownRole,
        "/coordinator/role_id",
    ),
    mistake(
        "a coordinator without a lane",
        &[("/coordinator/lane_id", "\"auther\"")],
        UnknownLane,
        "/coordinator/lane_id",
    )
    .correct("author"),
    mistake(
        "a context document outside",
        &[("/context_docs/0/path", "\"../README.md\"")],
        InvalidPath,
        "/context_docs/0/path",
    ),
    mistake(
        "a role document that is absolute",
        &[("/roles/author/definition_path", "\"/etc/author.md\"")],
        InvalidPath,
        "/roles/author/definition_path",
    )
    .correct("etc/author.md"),
    mistake(
        "no room for any job",
        &[("/parallelism/max_active_jobs", "0")],
        OutOfRange,
        "/parallelism/max_active_jobs",
    ),
    mistake(
        "a provenance that nobody gives yet",
        &[("/provenance_mode", "\"sealed_patch\"")],
        NotYetSupported,
        "/provenance_mode",
    )
    .correct("advisory"),
    mistake("an unknown provenance", &[("/provenance_mode", "\"sealed\"")], UnknownValue, "/provenance_mode"),
    mistake(
        "a negative number",
        &[("/recovery_policy", "{\"max_requeues\": -1}")],
        OutOfRange,
        "/recovery_policy/max_requeues",
    ),
    mistake("phases", &[("/phases", "[{\"id\": \"p\"}]")], NewerVersionNeeded, "/phases")
        .correct("striatum.workflow.v1.1"),
    mistake("a budget", &[("/budget", "{\"turns\": 3}")], NewerVersionNeeded, "/budget")
        .correct("striatum.workflow.v2"),
    mistake(
        "independence",
        &[("/independence", "{\"model\": \"declared\"}")],
        NewerVersionNeeded,
        "/independence",
    ),
    mistake(
        "judged delivery",
        &[("/require_judged_delivery", "true")],
        NewerVersionNeeded,
        "/require_judged_delivery",
    ),
    mistake(
        "leave for an operator",
        &[("/ai_operator_may", "[\"planned\"]")],
        NewerVersionNeeded,
        "/ai_operator_may",
    ),
    mistake(
        "a tool without a family",
        &[("/harness_profiles", "{\"tool\": {\"strategy_version\": \"1\", \"anything\": true}}")],
        MissingKey,
        "/harness_profiles/tool/tool_family",
    ),
    mistake("no jobs", &[("/jobs", "[]"), ("/edges", "[]"), ("/cycles", "[]")], EmptyValue, "/jobs"),
];
