//! What an agent that speaks no protocol concluded.
//!
//! There are two ways for it to say so: YAML front matter at the top of a file that it wrote,
//!
//! ```text
//! ---
//! verdict: needs_revision
//! findings:
//!   - severity: high
//!     title: The lock is held across an await
//! ---
//! ```
//!
//! or a file of JSON, which may also say what the agent is, what it used, and how else it ended:
//!
//! ```text
//! {"verdict": "accept", "agent": {"name": "codex", "version": "1.2.3"}, "model": "gpt-5"}
//! {"ask": "Which of the two formats is meant?", "resume": "conversation-17"}
//! {"failure": "there is no compiler", "usage": {"input_tokens": 900, "output_tokens": 80, "turns": 3}}
//! ```
//!
//! | key | what it says |
//! |---|---|
//! | `verdict`, `findings` | the judgement of a review |
//! | `failure` | why the work could not be done: the attempt has failed |
//! | `ask` | what a person must answer before the work can go on. The grant ends, what was left is set aside, and whoever works on the job next is told question and answer |
//! | `of` | with `ask`: the earlier job whose session is asked instead of a person |
//! | `answer` | what an earlier job's agent answers that was asked: its only outcome |
//! | `resume` | with `ask`: by what the agent can find its conversation again |
//! | `agent`, `model` | what the agent is |
//! | `usage` | `input_tokens`, `output_tokens` and `turns`, as far as they are known |
//!
//! Who asks neither judges nor fails. Other keys are let pass. Nothing here reads a file: the caller does, and at most [`MAX_BYTES`] of it.

use std::{borrow::Cow, error::Error};

use serde::Deserialize;
use striatum_core::{
    run::{UnknownVerdict, Usage, Verdict},
    transport::AgentIdentity,
};

use self::findings::Findings;

mod findings;

/// No more of a report is looked at.
pub const MAX_BYTES: usize = 1 << 20;

/// What an agent reported of itself and its work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Report {
    /// Its judgement, if it gave one.
    pub verdict: Option<Verdict>,
    /// What it found, one text for each finding.
    pub findings: Vec<String>,
    /// What it says it is.
    pub agent: AgentIdentity,
    /// Why it could not do its work.
    pub failure: Option<String>,
    /// What it asks a person.
    pub ask: Option<String>,
    /// The job whose session it asks instead.
    pub of: Option<String>,
    /// What it answers, if it was asked.
    pub answer: Option<String>,
    /// By what it can find its conversation again once there is an answer.
    pub resume: Option<String>,
    /// What it says that it used. It is not asked for the time.
    pub usage: Usage,
}

impl Report {
    /// Reads a report that is a JSON object.
    ///
    /// ```
    /// use striatum::{command::report::Report, core::run::Verdict};
    ///
    /// let report = Report::from_json(br#"{"verdict": "accept", "model": "gpt-5", "mood": "fine"}"#)?;
    /// assert_eq!(report.verdict, Some(Verdict::Accept));
    /// assert_eq!(report.agent.model.as_deref(), Some("gpt-5"));
    /// # Ok::<(), striatum::command::report::ReportError>(())
    /// ```
    ///
    /// # Errors
    /// [`ReportError::TooLarge`], [`ReportError::Malformed`], [`ReportError::Verdict`], [`ReportError::EmptyQuestion`] or
    /// [`ReportError::AsksAndEnds`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReportError> {
        if bytes.len() > MAX_BYTES {
            return Err(ReportError::TooLarge);
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let malformed =
            |e: serde_json::Error| ReportError::Malformed { what: "the report", source: e.into() };
        if bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
            // A derived `Deserialize` would take a list for an object without names.
            return Err(malformed(serde::de::Error::custom("it is no JSON object")));
        }
        let file: ReportFile = serde_json::from_slice(bytes).map_err(malformed)?;
        match &file.ask {
            Some(ask) if ask.trim().is_empty() => return Err(ReportError::EmptyQuestion),
            Some(_) if file.verdict.is_some() || file.failure.is_some() => {
                return Err(ReportError::AsksAndEnds);
            }
            _ => {}
        }
        let AgentName { name, version } = file.agent.unwrap_or_default();
        let AgentUsage { input_tokens, output_tokens, turns } = file.usage.unwrap_or_default();
        Ok(Self {
            verdict: file.verdict.as_deref().map(str::parse).transpose()?,
            findings: file.findings.unwrap_or_default().into_texts(),
            agent: AgentIdentity { name, version, model: file.model },
            failure: file.failure,
            ask: file.ask,
            of: file.of,
            answer: file.answer,
            resume: file.resume,
            usage: Usage { wall_ms: 0, input_tokens, output_tokens, turns },
        })
    }
}

/// Reads the YAML front matter of a text: what stands between a first line `---` and the next.
///
/// The answer is `None` if there is no front matter, or none with a verdict.
///
/// ```
/// use striatum::{command::report::verdict_from_front_matter, core::run::Verdict};
///
/// let text = "---\nverdict: accept_with_findings\nfindings: One typo.\n---\n# Review\n";
/// let report = verdict_from_front_matter(text)?.expect("a verdict");
/// assert_eq!(report.verdict, Some(Verdict::AcceptWithFindings));
/// assert_eq!(report.findings, ["One typo."]);
/// assert_eq!(verdict_from_front_matter("# Review\n")?, None);
/// # Ok::<(), striatum::command::report::ReportError>(())
/// ```
///
/// # Errors
/// [`ReportError::Unclosed`] if the closing line is missing or does not come within [`MAX_BYTES`],
/// [`ReportError::Malformed`] if what is between is no YAML mapping, or one that only an attack would need, and
/// [`ReportError::Verdict`].
pub fn verdict_from_front_matter(text: &str) -> Result<Option<Report>, ReportError> {
    let Some(yaml) = front_matter(text)? else { return Ok(None) };
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 20_000,
            max_nodes: 10_000,
            max_depth: 8,
            flow_nesting_limit: 8,
            max_documents: 1,
            max_total_scalar_bytes: MAX_BYTES,
            // A few findings need no references.
            max_anchors: 0,
            max_aliases: 0,
            max_merge_keys: 0,
        },
        with_snippet: false,
    };
    // An empty mapping may be written as nothing at all.
    let matter: Option<FrontMatter> = serde_saphyr::from_str_with_options(yaml, options)
        .map_err(|e| ReportError::Malformed { what: "the front matter", source: e.into() })?;
    let matter = matter.unwrap_or_default();
    let Some(word) = matter.verdict else { return Ok(None) };
    let findings = matter.findings.unwrap_or_default().into_texts();
    Ok(Some(Report { verdict: Some(word.parse()?), findings, ..Report::default() }))
}

/// Why a report cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The verdict is none of the words for one.
    #[error(transparent)]
    Verdict(#[from] UnknownVerdict),
    /// The line that ends the front matter is missing.
    #[error("the front matter is not closed by a line \"---\" within {MAX_BYTES} bytes")]
    Unclosed,
    /// The report is longer than [`MAX_BYTES`].
    #[error("the report is longer than {MAX_BYTES} bytes")]
    TooLarge,
    /// The agent asks, and says nothing.
    #[error("the question is empty")]
    EmptyQuestion,
    /// The agent asks, and has come to an end all the same.
    #[error("a report with a question has neither a verdict nor a failure")]
    AsksAndEnds,
    /// The text does not have the form of a report.
    #[error("cannot read {what}")]
    Malformed {
        /// Which text.
        what: &'static str,
        /// Where it goes wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

#[derive(Default, Deserialize)]
struct FrontMatter<'a> {
    #[serde(default, borrow)]
    verdict: Option<Cow<'a, str>>,
    #[serde(default)]
    findings: Option<Findings>,
}

#[derive(Deserialize)]
struct ReportFile {
    #[serde(default)]
    verdict: Option<String>,
    #[serde(default)]
    findings: Option<Findings>,
    #[serde(default)]
    agent: Option<AgentName>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    failure: Option<String>,
    #[serde(default)]
    ask: Option<String>,
    #[serde(default)]
    of: Option<String>,
    #[serde(default)]
    answer: Option<String>,
    #[serde(default)]
    resume: Option<String>,
    #[serde(default)]
    usage: Option<AgentUsage>,
}

#[derive(Default, Deserialize)]
struct AgentUsage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    turns: Option<u64>,
}

#[derive(Default, Deserialize)]
struct AgentName {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    version: Option<String>,
}

/// The YAML between the marks, if the text begins with one.
fn front_matter(text: &str) -> Result<Option<&str>, ReportError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n');
    let Some(first) = lines.next().filter(|line| is_mark(line)) else { return Ok(None) };
    let start = first.len();
    let mut end = start;
    for line in lines {
        if end + line.len() > MAX_BYTES {
            break;
        }
        if is_mark(line) {
            return Ok(text.get(start..end));
        }
        end += line.len();
    }
    Err(ReportError::Unclosed)
}

fn is_mark(line: &str) -> bool {
    line.trim_end() == "---"
}

#[cfg(test)]
mod tests;
