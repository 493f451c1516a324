//! Mistakes about lanes.

use striatum_core::workflow::FindingCode::*;

use super::{Mistake, mistake};

pub(super) const MISTAKES: &[Mistake] = &[
    mistake(
        "a lane whose name is none",
        &[("/lanes/a~1b", "{\"adapter\": \"acp:claude\"}")],
        InvalidName,
        "/lanes/a~1b",
    )
    .correct("a_b"),
    mistake("no adapter", &[("/lanes/author/adapter", "")], MissingKey, "/lanes/author/adapter"),
    mistake(
        "an adapter that is no name",
        &[("/lanes/author/adapter", "\"a cp\"")],
        InvalidName,
        "/lanes/author/adapter",
    ),
    mistake(
        "a process without a command",
        &[("/lanes/author/command", "")],
        MissingKey,
        "/lanes/author/command",
    ),
    mistake("an empty command", &[("/lanes/author/command", "[]")], EmptyValue, "/lanes/author/command"),
    mistake(
        "an empty program",
        &[("/lanes/author/command", "[\" \"]")],
        EmptyValue,
        "/lanes/author/command/0",
    ),
    mistake(
        "a shell line as a command",
        &[("/lanes/author/command", "\"sh -c x\"")],
        WrongType,
        "/lanes/author/command",
    ),
    mistake(
        "a NUL in an argument",
        &[("/lanes/author/command", "[\"a\", \"\\u0000\"]")],
        UnknownValue,
        "/lanes/author/command/1",
    ),
    mistake(
        "too long a time",
        &[("/lanes/author/adapter_timeout_seconds", "86401")],
        OutOfRange,
        "/lanes/author/adapter_timeout_seconds",
    ),
    mistake(
        "half a second",
        &[("/lanes/author/adapter_timeout_seconds", "0.5")],
        OutOfRange,
        "/lanes/author/adapter_timeout_seconds",
    ),
    mistake(
        "a variable whose name is none",
        &[("/lanes/author/env", "{\"1A\": \"x\"}")],
        InvalidVariable,
        "/lanes/author/env/1A",
    ),
    mistake(
        "a NUL in a variable",
        &[("/lanes/author/env", "{\"A\": \"\\u0000\"}")],
        InvalidVariable,
        "/lanes/author/env/A",
    ),
    mistake(
        "the search path",
        &[("/lanes/author/env", "{\"PATH\": null}")],
        ReservedVariable,
        "/lanes/author/env/PATH",
    ),
    mistake(
        "a variable of ours",
        &[("/lanes/author/env", "{\"STRIATUM_X\": \"1\"}")],
        ReservedVariable,
        "/lanes/author/env/STRIATUM_X",
    ),
    mistake(
        "an unknown constraint",
        &[("/lanes/author/constraints", "{\"netwrok\": \"forbidden\"}")],
        UnknownKey,
        "/lanes/author/constraints/netwrok",
    )
    .correct("network"),
    mistake(
        "a demand for something unknown",
        &[("/lanes/author/required_enforcement", "{\"gravity\": \"enforced\"}")],
        EnforcementUnavailable,
        "/lanes/author/required_enforcement/gravity",
    ),
    mistake(
        "a demand without a value",
        &[("/lanes/author/required_enforcement", "{\"network\": \"enforced\"}")],
        EnforcementUnavailable,
        "/lanes/author/required_enforcement/network",
    ),
    mistake(
        "a demand that a process does not meet",
        &[
            ("/lanes/author/constraints", "{\"repo_scope\": \"local_only\"}"),
            ("/lanes/author/required_enforcement", "{\"repo_scope\": \"enforced\"}"),
        ],
        EnforcementUnavailable,
        "/lanes/author/required_enforcement/repo_scope",
    )
    .correct("advisory_strict"),
    mistake(
        "a level that is none",
        &[("/lanes/author/required_enforcement", "{\"network\": \"strict\"}")],
        UnknownValue,
        "/lanes/author/required_enforcement/network",
    ),
    mistake(
        "a profile that is not there",
        &[("/lanes/author/harness_profile_id", "\"tool\"")],
        UnknownProfile,
        "/lanes/author/harness_profile_id",
    ),
    mistake(
        "a filter in a document that is too old for it",
        &[("/lanes/author/allowed_filters", "[\"lfs\"]")],
        NewerVersionNeeded,
        "/lanes/author/allowed_filters",
    )
    .correct("striatum.workflow.v2"),
    mistake(
        "a filter twice",
        &[V2, ("/lanes/author/allowed_filters", "[\"lfs\", \"lfs\"]")],
        DuplicateEntry,
        "/lanes/author/allowed_filters/1",
    ),
    mistake(
        "a filter whose name is none",
        &[V2, ("/lanes/author/allowed_filters", "[\"git lfs\"]")],
        UnknownValue,
        "/lanes/author/allowed_filters/0",
    ),
    mistake(
        "a choice in a document that is too old for it",
        &[("/lanes/author/adapter", "\"acp\""), ("/lanes/author/agent", "{\"mode\": \"plan\"}")],
        NewerVersionNeeded,
        "/lanes/author/agent",
    )
    .correct("striatum.workflow.v2"),
    mistake(
        "a choice for a process",
        &[V2, ("/lanes/author/agent", "{\"mode\": \"plan\"}")],
        MisplacedKey,
        "/lanes/author/agent",
    ),
    mistake(
        "a choice that is no object",
        &[V2, ACP, ("/lanes/author/agent", "\"plan\"")],
        WrongType,
        "/lanes/author/agent",
    ),
    mistake(
        "a choice of nothing",
        &[V2, ACP, ("/lanes/author/agent", "{\"model\": \" \"}")],
        EmptyValue,
        "/lanes/author/agent/model",
    ),
    mistake(
        "a choice of something unknown",
        &[V2, ACP, ("/lanes/author/agent", "{\"models\": \"large\"}")],
        UnknownKey,
        "/lanes/author/agent/models",
    )
    .correct("model"),
    mistake(
        "an option without a name",
        &[V2, ACP, ("/lanes/author/agent", "{\"options\": {\" \": \"high\"}}")],
        EmptyValue,
        "/lanes/author/agent/options/ ",
    ),
    mistake(
        "an option that is a number",
        &[V2, ACP, ("/lanes/author/agent", "{\"options\": {\"effort\": 3}}")],
        WrongType,
        "/lanes/author/agent/options/effort",
    ),
    mistake(
        "two models of one family",
        &[
            ("/schema_version", "\"striatum.workflow.v2\""),
            ("/lanes/author/display_model", "\"Claude Opus\""),
            ("/lanes/reviewer/display_model", "\"anthropic/claude-haiku\""),
        ],
        ModelsNotIndependent,
        "/jobs/1/lane_id",
    ),
];

const V2: (&str, &str) = ("/schema_version", "\"striatum.workflow.v2\"");
const ACP: (&str, &str) = ("/lanes/author/adapter", "\"acp\"");
