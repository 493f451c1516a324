//! Bounds and rules for a run as a whole.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

/// How strongly authorship is attested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProvenanceMode {
    /// Recorded as reported.
    #[default]
    Advisory,
    /// By author lines that the engine writes.
    AttestedBylines,
    /// By the engine's own commits.
    SealedPatch,
}

/// What a run may lose before a person is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryPolicy {
    /// How often a job may be handed out again within one attempt.
    pub max_requeues: u32,
    /// How many jobs may be quarantined before the run ends.
    pub max_quarantinable_jobs: u32,
}

impl Default for RecoveryPolicy {
    fn default() -> Self {
        Self { max_requeues: 2, max_quarantinable_jobs: 1 }
    }
}

/// What may be used up. What is not named is not bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Budget {
    /// Turns of an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
    /// Time on the wall, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_seconds: Option<u64>,
    /// Tokens of a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// Who makes the models whose names begin so.
const FAMILIES: &[(&str, &str)] = &[
    ("claude", "anthropic"),
    ("gpt", "openai"),
    ("chatgpt", "openai"),
    ("codex", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("gemini", "google"),
    ("gemma", "google"),
    ("llama", "meta"),
    ("mistral", "mistral"),
    ("codestral", "mistral"),
    ("devstral", "mistral"),
    ("magistral", "mistral"),
    ("qwen", "alibaba"),
    ("deepseek", "deepseek"),
    ("grok", "xai"),
    ("kimi", "moonshot"),
    ("glm", "zhipu"),
];

/// By what it is told whether a reviewer is independent of the author, besides never being the same session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Independence {
    /// Whether their models are compared.
    pub model: IndependenceModel,
    /// The family of every model whose name begins so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub families: BTreeMap<String, String>,
}

impl Independence {
    /// A model's name as families are told by: in lower case, without its provider's prefix, with dashes for blanks.
    ///
    /// ```
    /// use striatum_core::workflow::Independence;
    ///
    /// assert_eq!(Independence::normal("anthropic/Claude Opus 5"), "claude-opus-5");
    /// ```
    pub fn normal(model: &str) -> Cow<'_, str> {
        if model.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_')) {
            return model.into();
        }
        let name = model.trim().rsplit('/').next().unwrap_or_default();
        name.split_whitespace().collect::<Vec<_>>().join("-").to_lowercase().into()
    }

    /// The family of a model that is well known by the beginning of its [normal](Self::normal) name.
    ///
    /// ```
    /// use striatum_core::workflow::Independence;
    ///
    /// assert_eq!(Independence::known_family("claude-opus-5"), Some("anthropic"));
    /// assert_eq!(Independence::known_family("home-grown"), None);
    /// ```
    pub fn known_family(model: &str) -> Option<&'static str> {
        FAMILIES.iter().find(|(prefix, _)| model.starts_with(prefix)).map(|(_, family)| *family)
    }

    /// The family of a model by this table: that of the longest beginning that fits.
    ///
    /// ```
    /// use striatum_core::workflow::Independence;
    ///
    /// let mut independence = Independence::default();
    /// independence.families.insert("gpt-".into(), "openai".into());
    /// independence.families.insert("gpt-oss".into(), "open weights".into());
    /// assert_eq!(independence.family("gpt-6"), Some("openai"));
    /// assert_eq!(independence.family("gpt-oss-120b"), Some("open weights"));
    /// assert_eq!(independence.family("claude"), None);
    /// ```
    pub fn family(&self, model: &str) -> Option<&str> {
        let fits = self.families.iter().filter(|(prefix, _)| model.starts_with(prefix.as_str()));
        fits.max_by_key(|(prefix, _)| prefix.len()).map(|(_, family)| family.as_str())
    }
}

/// Whether the models of author and reviewer are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndependenceModel {
    /// They are not.
    Off,
    /// As the lanes declare them, and as the agents report them where they do.
    #[default]
    Declared,
    /// As the agents report them; one that reports nothing is not independent.
    Reported,
}

/// What a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Checkpoint {
    /// What the workflow asks at this point.
    Planned,
    /// Whether a revision beyond the limit is granted.
    RevisionsExhausted,
    /// What becomes of work that was sent back where the workflow has no way back.
    NoWayBack,
    /// What becomes of work that was rejected.
    Rejected,
    /// How to help an agent that says a person must.
    Blocked,
    /// Whether work goes on that has used up its budget.
    BudgetSpent,
    /// What becomes of a review whose agent is not known to be independent of the author's.
    Identity,
    /// What an agent asks while it works.
    Question,
}

/// What becomes of a review that wants a revision, in the words of other engines; not interpreted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReviewRevisionPolicy {
    /// What happens where no way back is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_review_needs_revision: Option<String>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
