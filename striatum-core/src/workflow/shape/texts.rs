//! The texts of the shapes. `{{workflow_id}}` stands for the id of the workflow.

use super::Shape;

/// Where a text goes within the scaffold, and the text.
pub(super) type Text = (&'static str, &'static str);

pub(super) const DOCUMENT: &str = "workflow.json";

impl Shape {
    /// The document first.
    pub(super) const fn texts(self) -> &'static [Text] {
        match self {
            Self::Minimal => &[
                (DOCUMENT, include_str!("minimal/workflow.json")),
                ("task.md", include_str!("minimal/task.md")),
                ("roles/author.md", include_str!("minimal/roles/author.md")),
                ("prompts/write.md", include_str!("minimal/prompts/write.md")),
            ],
            Self::Review => &[
                (DOCUMENT, include_str!("review/workflow.json")),
                ("task.md", include_str!("review/task.md")),
                ("roles/author.md", include_str!("review/roles/author.md")),
                ("roles/reviewer.md", include_str!("review/roles/reviewer.md")),
                ("prompts/draft.md", include_str!("review/prompts/draft.md")),
                ("prompts/review.md", include_str!("review/prompts/review.md")),
            ],
            Self::CodeChange => &[
                (DOCUMENT, include_str!("code_change/workflow.json")),
                ("task.md", include_str!("code_change/task.md")),
                ("roles/author.md", include_str!("code_change/roles/author.md")),
                ("roles/reviewer.md", include_str!("code_change/roles/reviewer.md")),
                ("prompts/draft.md", include_str!("code_change/prompts/draft.md")),
                ("prompts/review.md", include_str!("code_change/prompts/review.md")),
                ("prompts/apply.md", include_str!("code_change/prompts/apply.md")),
            ],
            Self::HumanCheckpoint => &[
                (DOCUMENT, include_str!("human_checkpoint/workflow.json")),
                ("question.md", include_str!("human_checkpoint/question.md")),
                ("roles/analyst.md", include_str!("human_checkpoint/roles/analyst.md")),
                ("roles/reviewer.md", include_str!("human_checkpoint/roles/reviewer.md")),
                ("roles/decider.md", include_str!("human_checkpoint/roles/decider.md")),
                ("prompts/analyse.md", include_str!("human_checkpoint/prompts/analyse.md")),
                ("prompts/review.md", include_str!("human_checkpoint/prompts/review.md")),
                ("prompts/decide.md", include_str!("human_checkpoint/prompts/decide.md")),
                ("prompts/write_up.md", include_str!("human_checkpoint/prompts/write_up.md")),
            ],
            Self::EvidenceBacked => &[
                (DOCUMENT, include_str!("evidence_backed/workflow.json")),
                ("task.md", include_str!("evidence_backed/task.md")),
                ("roles/author.md", include_str!("evidence_backed/roles/author.md")),
                ("roles/reviewer.md", include_str!("evidence_backed/roles/reviewer.md")),
                ("roles/clerk.md", include_str!("evidence_backed/roles/clerk.md")),
                ("roles/auditor.md", include_str!("evidence_backed/roles/auditor.md")),
                ("prompts/write.md", include_str!("evidence_backed/prompts/write.md")),
                ("prompts/ledger.md", include_str!("evidence_backed/prompts/ledger.md")),
                ("prompts/audit.md", include_str!("evidence_backed/prompts/audit.md")),
                ("prompts/review.md", include_str!("evidence_backed/prompts/review.md")),
            ],
            Self::MultiReviewSynthesis => &[
                (DOCUMENT, include_str!("multi_review_synthesis/workflow.json")),
                ("task.md", include_str!("multi_review_synthesis/task.md")),
                ("roles/author.md", include_str!("multi_review_synthesis/roles/author.md")),
                ("roles/reviewer.md", include_str!("multi_review_synthesis/roles/reviewer.md")),
                ("roles/sceptic.md", include_str!("multi_review_synthesis/roles/sceptic.md")),
                ("prompts/draft.md", include_str!("multi_review_synthesis/prompts/draft.md")),
                (
                    "prompts/review_correctness.md",
                    include_str!("multi_review_synthesis/prompts/review_correctness.md"),
                ),
                (
                    "prompts/review_security.md",
                    include_str!("multi_review_synthesis/prompts/review_security.md"),
                ),
                (
                    "prompts/review_sceptic.md",
                    include_str!("multi_review_synthesis/prompts/review_sceptic.md"),
                ),
                ("prompts/synthesis.md", include_str!("multi_review_synthesis/prompts/synthesis.md")),
            ],
        }
    }
}
