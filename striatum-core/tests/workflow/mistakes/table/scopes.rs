//! Mistakes about where jobs write.

use striatum_core::workflow::FindingCode::*;

use super::{Mistake, mistake};

pub(super) const MISTAKES: &[Mistake] = &[
    mistake("no scope", &[("/jobs/1/write_scope", "")], MissingKey, "/jobs/1/write_scope"),
    mistake(
        "a scope without a mode",
        &[("/jobs/1/write_scope/mode", "")],
        MissingKey,
        "/jobs/1/write_scope/mode",
    ),
    mistake(
        "a review that writes",
        &[("/jobs/1/write_scope/repo_write", "true")],
        Contradiction,
        "/jobs/1/write_scope/repo_write",
    )
    .correct("false"),
    mistake(
        "a scope outside",
        &[("/jobs/0/write_scope/allowed_paths", "[\"docs\", \"../x\"]")],
        InvalidPath,
        "/jobs/0/write_scope/allowed_paths/1",
    ),
    mistake(
        "a scope in an odd form",
        &[("/jobs/0/write_scope/forbidden_paths", "[\"./x\"]")],
        InvalidPath,
        "/jobs/0/write_scope/forbidden_paths/0",
    )
    .correct("x"),
    mistake(
        "allowed and forbidden",
        &[("/jobs/0/write_scope/forbidden_paths", "[\"src\"]")],
        AllowedPathForbidden,
        "/jobs/0/write_scope/allowed_paths/0",
    ),
    mistake(
        "everything is allowed",
        &[("/jobs/0/write_scope/allowed_paths", "[\".\"]")],
        BroadWriteScope,
        "/jobs/0/write_scope/allowed_paths/0",
    ),
    mistake(
        "an artifact without a name",
        &[("/jobs/0/expected_artifacts/0/logical_name", "")],
        MissingKey,
        "/jobs/0/expected_artifacts/0/logical_name",
    ),
    mistake(
        "an artifact whose name is none",
        &[("/jobs/0/expected_artifacts/0/logical_name", "\"a ${cycle}\"")],
        InvalidName,
        "/jobs/0/expected_artifacts/0/logical_name",
    ),
    mistake(
        "an artifact that is a folder",
        &[("/jobs/0/expected_artifacts/0/path", "\"docs/\"")],
        InvalidPath,
        "/jobs/0/expected_artifacts/0/path",
    )
    .correct("docs"),
    mistake(
        "an artifact out of bounds",
        &[("/jobs/0/expected_artifacts/0/path", "\"docs2/draft.md\"")],
        ArtifactOutsideScope,
        "/jobs/0/expected_artifacts/0/path",
    ),
    mistake(
        "an artifact that is forbidden",
        &[("/jobs/0/write_scope/forbidden_paths", "[\"docs/draft.md\"]")],
        ArtifactOutsideScope,
        "/jobs/0/expected_artifacts/0/path",
    ),
    mistake(
        "two artifacts of one name",
        &[("/jobs/0/expected_artifacts/-", "{\"logical_name\": \"draft\", \"path\": \"src/b\"}")],
        DuplicateArtifact,
        "/jobs/0/expected_artifacts/1/logical_name",
    ),
    mistake(
        "two artifacts at one place",
        &[("/jobs/0/expected_artifacts/-", "{\"logical_name\": \"b\", \"path\": \"docs/draft.md\"}")],
        ArtifactPathShared,
        "/jobs/0/expected_artifacts/1/path",
    ),
    mistake(
        "an artifact inside another",
        &[("/jobs/0/expected_artifacts/-", "{\"logical_name\": \"b\", \"path\": \"docs/draft.md/b\"}")],
        ArtifactPathShared,
        "/jobs/0/expected_artifacts/1/path",
    ),
    mistake(
        "artifacts of two jobs at one place",
        &[
            ("/jobs/1/write_scope/allowed_paths", "[\".\"]"),
            ("/jobs/1/expected_artifacts/0/path", "\"docs/draft.md\""),
        ],
        ArtifactPathShared,
        "/jobs/1/expected_artifacts/0/path",
    ),
];
