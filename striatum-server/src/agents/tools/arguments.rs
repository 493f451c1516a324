//! What the tools are called with. Models write these, so what is meant is taken where it is plain, and what is not known is refused by
//! name: a misspelt `dry_run` must not become a call in earnest.

use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetPacket {
    /// "text" (the default) for the task in words, "json" for the work packet with every id and digest.
    #[serde(default)]
    #[schemars(with = "Form")]
    pub(super) format: Option<Form>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Form {
    Text,
    Json,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadDocument {
    /// The digest, as the work packet gives it.
    pub(super) digest: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishArtifact {
    /// The name of the artifact, as the task gives it.
    pub(super) name: String,
    /// Its whole text. Leave it out to publish the file that you wrote.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) text: Option<String>,
    /// The path of the file, relative to your work tree. Leave it out: the task says where the artifact belongs.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) path: Option<String>,
    /// true to be told what would be refused, without doing anything.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) dry_run: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubmitReview {
    /// Your judgement.
    pub(super) verdict: Judgement,
    /// What you found. Say enough for somebody else to mend it.
    #[serde(default)]
    #[schemars(with = "Vec<Finding>")]
    pub(super) findings: Option<Findings>,
    /// true to be told what would be refused, without doing anything.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) dry_run: Option<bool>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Judgement {
    Accept,
    AcceptWithFindings,
    NeedsRevision,
    Reject,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "findings are a list, each with a title, and with severity, detail, path and line where they are known"
)]
pub(super) enum Findings {
    One(String),
    Many(Vec<Said>),
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Said {
    Text(String),
    Finding(Finding),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Finding {
    /// One line.
    pub(super) title: String,
    /// "low", "medium", "high" or "critical".
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) severity: Option<String>,
    /// What is wrong, and how it can be mended.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) detail: Option<String>,
    /// The file.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) path: Option<String>,
    /// The line in it.
    #[serde(default)]
    #[schemars(with = "u32")]
    pub(super) line: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CompleteWork {
    /// true to be told what would be refused, without doing anything.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) dry_run: Option<bool>,
}

/// For all that ends without an outcome.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// Why, for whoever reads it next: what you tried, and what stood in the way.
    pub(super) reason: String,
    /// true to be told what would be refused, without doing anything.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) dry_run: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockWork {
    /// What stands in the way.
    pub(super) reason: String,
    /// Who can help: "operator" (the default) for what is broken around you, "person" for what wants a judgement.
    #[serde(default)]
    #[schemars(with = "Helper")]
    pub(super) needs: Option<Helper>,
    /// true to be told what would be refused, without doing anything.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) dry_run: Option<bool>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Helper {
    Operator,
    Person,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AskHuman {
    /// The question, with all that is needed to answer it: whoever reads it has not seen your work.
    pub(super) question: String,
    /// By what you can find this conversation again, if you know it.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) resume: Option<String>,
    /// true to be told what would be refused, without doing anything.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) dry_run: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AskUpstream {
    /// The job whose session you ask: one of those that the task says you may ask.
    pub(super) job: String,
    /// The question, with all that is needed to answer it: whoever answers has not seen your work.
    pub(super) question: String,
    /// By what you can find this conversation again, if you know it.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) resume: Option<String>,
    /// true to be told what would be refused, without doing anything.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) dry_run: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerQuestion {
    /// The answer, for somebody who has not seen what you know.
    pub(super) answer: String,
    /// true to be told what would be refused, without doing anything.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) dry_run: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProposeFollowUp {
    /// One line.
    pub(super) title: String,
    /// What should be done, and why.
    pub(super) description: String,
    /// true to be told what would be refused, without doing anything.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) dry_run: Option<bool>,
}
