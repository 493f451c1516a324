//! What is sound: features of the format, each put into the base of the first version.

pub(super) const FEATURES: &[Feature] = &[
    ("a parallel group", &[("/jobs/0/parallel_group", "\"all\"")]),
    ("an advisory seat", &[("/jobs/1/panel_role", "\"advisory\""), ("/cycles", "[]")]),
    ("shared resources", &[("/jobs/0/shared_resources", "[\"db\"]")]),
    (
        "postures that are required",
        &[
            ("/jobs/0/type", "\"build\""),
            ("/jobs/0/required_review_postures", "[\"security\"]"),
            ("/jobs/1/review_posture", "\"security\""),
        ],
    ),
    ("a draft whose failure leaves the rest going", &[("/jobs/0/on_reject", "\"skip_branch\"")]),
    ("abstentions", &[("/jobs/0/max_gating_abstentions", "1")]),
    ("an attested lane", &[("/jobs/1/require_attested_lane", "true")]),
    ("a cohort that does not wait", &[("/cycles/0/debounce_cohort", "1")]),
    (
        "two ways back to one job",
        &[
            ("/jobs/2/type", "\"review\""),
            ("/jobs/2/lane_id", "\"reviewer\""),
            ("/jobs/2/fresh_session_required", "true"),
            ("/cycles/-", "{\"from\": \"decide\", \"to\": \"draft\", \"max_iterations\": 1}"),
        ],
    ),
    (
        "two ways back from one review",
        &[
            ("/jobs/1/type", "\"test\""),
            ("/allow_same_model_review_pairing", "true"),
            ("/jobs/2/type", "\"review\""),
            ("/jobs/2/lane_id", "\"reviewer\""),
            ("/jobs/2/fresh_session_required", "true"),
            ("/cycles/0", "{\"from\": \"decide\", \"to\": \"draft\", \"max_iterations\": 1}"),
            ("/cycles/-", "{\"from\": \"decide\", \"to\": \"review\", \"max_iterations\": 1}"),
        ],
    ),
    ("phases", &[V1_1, ("/phases", PHASES), IN_PHASE[0], IN_PHASE[1], IN_PHASE[2], ADJUDICATOR]),
    ("independence", &[V2]),
    ("a budget", &[V2, OFF, ("/budget", "{\"turns\": 3}")]),
    ("judged delivery", &[V2, OFF, ("/require_judged_delivery", "true")]),
    ("leave for an operator", &[V2, OFF, ("/ai_operator_may", "[\"planned\"]")]),
    ("a quorum", &[V2, OFF, ("/jobs/2/quorum", "{\"k\": 1}")]),
    (
        "a choice of what an agent offers",
        &[
            V2,
            OFF,
            ("/lanes/reviewer/adapter", "\"acp\""),
            ("/lanes/reviewer/agent", "{\"mode\": \"plan\", \"options\": {\"x_effort\": \"high\"}}"),
        ],
    ),
    ("filters that are allowed", &[V2, OFF, ("/lanes/author/allowed_filters", "[\"lfs\"]")]),
    ("a budget of a job", &[V2, OFF, ("/jobs/0/budget", "{\"turns\": 3}")]),
];

/// A name, and pointers with what is put there.
pub(crate) type Feature = (&'static str, &'static [(&'static str, &'static str)]);

const V1_1: (&str, &str) = ("/schema_version", "\"striatum.workflow.v1.1\"");
const V2: (&str, &str) = ("/schema_version", "\"striatum.workflow.v2\"");
const OFF: (&str, &str) = ("/independence", "{\"model\": \"off\"}");
const PHASES: &str = "[{\"id\": \"all\"}]";
const IN_PHASE: [(&str, &str); 3] =
    [("/jobs/0/phase_id", "\"all\""), ("/jobs/1/phase_id", "\"all\""), ("/jobs/2/phase_id", "\"all\"")];
const ADJUDICATOR: (&str, &str) = (
    "/jobs/-",
    "{\"id\": \"settle\", \"type\": \"phase_synthesis\", \"phase_id\": \"all\", \"role_id\": \"reviewer\", \"lane_id\": \"reviewer\",
        \"objective\": \"Settle.\", \"fresh_session_required\": true, \"write_scope\": {\"mode\": \"review_only_artifact\"}}",
);
