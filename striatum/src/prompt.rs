//! The work packet in words: what an agent is told.

use std::{collections::BTreeMap, fmt::Write as _};

use striatum_core::{
    digest::{BlobRef, Digest},
    engine::EngineError,
    run::{Packet, PacketAnswer, PacketFailure, PacketFinding, PacketInput, PacketQuestion, PacketText},
    store::{BlobError, Blobs},
    workflow::{Budget, ReviewAccess, WriteMode},
};

/// The texts that a packet names by digest.
#[derive(Debug, Default)]
pub(crate) struct Texts(BTreeMap<Digest, String>);

impl Texts {
    /// Fetches every text that the packet names.
    pub(crate) async fn of(packet: &Packet, blobs: &dyn Blobs) -> Result<Self, EngineError> {
        let mut texts = BTreeMap::new();
        for blob in named(packet) {
            texts.insert(blob.digest, fetch(blob, blobs).await?);
        }
        Ok(Self(texts))
    }

    fn get(&self, blob: &BlobRef) -> &str {
        self.0.get(&blob.digest).map_or("(erased)", String::as_str).trim()
    }

    fn text<'a>(&'a self, text: &'a PacketText) -> &'a str {
        match text {
            PacketText::Inline(text) => text.trim(),
            PacketText::File { content, .. } => self.get(content),
            _ => "",
        }
    }
}

async fn fetch(blob: BlobRef, blobs: &dyn Blobs) -> Result<String, BlobError> {
    blobs.get(&blob.digest).await.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn named(packet: &Packet) -> Vec<BlobRef> {
    let texts = packet.prompt.iter().chain(&packet.role.definition).chain(&*packet.context);
    let files = texts.filter_map(|text| match text {
        PacketText::File { content, .. } => Some(*content),
        _ => None,
    });
    let verdicts = packet.inputs.iter().filter_map(|input| match input {
        PacketInput::Job { verdict, .. } => verdict.as_ref(),
        _ => None,
    });
    let failure = packet.failure.as_ref().and_then(|failure| failure.reason);
    let answers = packet.answers.iter().flat_map(|answered| [answered.text, answered.answer]);
    let question = packet.question.as_ref().map(|asked| asked.text);
    files
        .chain(question)
        .chain(failure)
        .chain(answers)
        .chain(packet.revision.iter().chain(verdicts).filter_map(|finding| finding.findings))
        .collect()
}

/// By what an agent says that it has finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// Its end, and what it leaves in files.
    Files,
    /// Its tools.
    #[cfg(feature = "acp")]
    Tools,
}

/// Writes the packet as a task for an agent.
pub(crate) fn render(packet: &Packet, texts: &Texts, by: By) -> String {
    let mut out = Markdown::default();
    out.heading(1, &packet.title);
    task(&mut out, packet, texts);
    answers(&mut out, packet, texts);
    revision(&mut out, packet, texts);
    inputs(&mut out, packet, texts);
    for document in &*packet.context {
        if let PacketText::File { path, .. } = document {
            out.heading(2, &format!("Context: {path}"));
        }
        out.paragraph(texts.text(document));
    }
    scope(&mut out, packet);
    artifacts(&mut out, packet);
    match by {
        By::Files => finish_by_files(&mut out, packet),
        #[cfg(feature = "acp")]
        By::Tools => finish_by_tools(&mut out, packet),
    }
    out.0
}

/// Writes what is asked of the session that did a job.
pub(crate) fn question(packet: &Packet, asked: &PacketQuestion, texts: &Texts, by: By) -> String {
    let mut out = Markdown::default();
    let PacketQuestion { from, text, .. } = asked;
    out.heading(1, &format!("A question about your work on {}", packet.fence.job));
    out.paragraph(&format!("You have done the task below. What you handed in lies in this folder. The job {from} builds on it and asks you:"));
    out.quote(texts.get(text));
    out.paragraph(
        "Answer from what you know of this work and what lies there, for somebody who has not seen you do it. Nothing else is wanted: what \
         you change here is thrown away.",
    );
    match by {
        By::Files => out.paragraph(
            "Write {\"answer\": \"your answer\"} to the file that the environment variable STRIATUM_REPORT names, and end with exit status 0. If you \
             cannot answer, write {\"failure\": \"why\"} there instead: then a person is asked.",
        ),
        #[cfg(feature = "acp")]
        By::Tools => out.paragraph(
            "Call the tool `answer` of the server `striatum`. If you cannot answer, call `report_failure`: then a person is asked.",
        ),
    }
    out.heading(2, "The task as it was");
    task(&mut out, packet, texts);
    inputs(&mut out, packet, texts);
    out.0
}

/// What is to be done, and in which role.
fn task(out: &mut Markdown, packet: &Packet, texts: &Texts) {
    out.paragraph(&packet.objective);
    if let Some(definition) = &packet.role.definition {
        out.heading(2, &format!("Your role: {}", packet.role.id));
        out.paragraph(texts.text(definition));
    } else if let Some(summary) = &packet.role.summary {
        out.paragraph(&format!("Your role: {} ({summary})", packet.role.id));
    }
    if let Some(prompt) = &*packet.prompt {
        out.heading(2, "Task");
        out.paragraph(texts.text(prompt));
    }
}

fn answers(out: &mut Markdown, packet: &Packet, texts: &Texts) {
    if packet.answers.is_empty() {
        return;
    }
    out.heading(2, "What was asked about this task, and answered");
    for PacketAnswer { text, answer, resume, of, by, .. } in &packet.answers {
        let whom = of.as_ref().map(|job| format!(" the session that did {job}")).unwrap_or_default();
        out.paragraph(&format!("A session before yours asked{whom}:"));
        out.quote(texts.get(text));
        let who = if by.is_some() { "It answered:" } else { "A person answered:" };
        out.paragraph(who);
        out.quote(texts.get(answer));
        if let Some(resume) = resume {
            out.paragraph(&format!("The conversation in which it was asked is {resume}."));
        }
    }
}

fn revision(out: &mut Markdown, packet: &Packet, texts: &Texts) {
    if !packet.revision.is_empty() {
        out.heading(2, &format!("This is attempt {}: what was said of the last one", packet.attempt));
        for finding in &packet.revision {
            said(out, finding, texts);
        }
    }
    if let Some(PacketFailure { attempt, reason, .. }) = &packet.failure {
        out.heading(2, &format!("Attempt {attempt} at this task failed"));
        out.quote(reason.as_ref().map_or("(no reason was written down)", |blob| texts.get(blob)));
    }
    if let Some(commit) = &packet.set_aside {
        out.paragraph(&format!(
            "An earlier session did not finish this task. What it left is in commit {commit}; nothing of it is in your tree."
        ));
    }
}

fn inputs(out: &mut Markdown, packet: &Packet, texts: &Texts) {
    if packet.inputs.is_empty() {
        return;
    }
    out.heading(2, if packet.review.is_some() { "What you judge" } else { "What you build on" });
    for input in &packet.inputs {
        match input {
            PacketInput::Path(path) => out.item(path),
            PacketInput::Job { job, attempt, artifacts, verdict, .. } => {
                out.item(&format!("the outcome of {job}, attempt {attempt}"));
                for artifact in artifacts {
                    out.item(&format!("{} at {} (by {})", artifact.name, artifact.path, artifact.author));
                }
                if let Some(verdict) = verdict {
                    said(out, verdict, texts);
                }
            }
            _ => {}
        }
    }
    out.blank();
}

fn said(out: &mut Markdown, finding: &PacketFinding, texts: &Texts) {
    let _ = writeln!(out.0, "\n{} (attempt {}) says {}:", finding.review, finding.attempt, finding.verdict);
    let findings =
        finding.findings.as_ref().map_or("(no findings were written down)", |blob| texts.get(blob));
    out.quote(findings);
}

fn scope(out: &mut Markdown, packet: &Packet) {
    out.heading(2, "What you may change");
    if packet.write_scope.mode == WriteMode::ReviewOnlyArtifact {
        out.paragraph("Do not change what you judge. Write only your own artifacts, at the paths below.");
    }
    if packet.review.as_ref().and_then(|review| review.access) == Some(ReviewAccess::DocumentOnly) {
        out.paragraph("Your folder holds what you judge, and nothing else of the repository. Of what you leave there only your artifacts count.");
    }
    for path in &packet.write_scope.allowed_paths {
        out.item(&format!("allowed: {path}"));
    }
    for path in &packet.write_scope.forbidden_paths {
        out.item(&format!("forbidden: {path}"));
    }
    out.blank();
}

/// What is left to use, in words; nothing if nothing bounds it.
fn left(budget: &Budget) -> String {
    let part = |bound: Option<u64>, unit: &str| bound.map(|bound| format!("{bound} {unit}"));
    let bounds = [
        part(budget.wall_seconds, "seconds, after which you are stopped"),
        part(budget.turns, "turns"),
        part(budget.tokens, "tokens, read and written together"),
    ];
    bounds.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn artifacts(out: &mut Markdown, packet: &Packet) {
    if let Some(left) = packet.budget.as_ref().map(left).filter(|left| !left.is_empty()) {
        out.heading(2, "What you may use");
        out.paragraph(&format!("What is left for this attempt: {left}."));
    }
    out.heading(2, "How to finish");
    for artifact in &packet.expected_artifacts {
        let need = if artifact.required { "required" } else { "optional" };
        out.item(&format!("write {} ({}, {need}) to {}", artifact.name, artifact.kind, artifact.path));
    }
    out.blank();
}

#[cfg(feature = "acp")]
fn finish_by_tools(out: &mut Markdown, packet: &Packet) {
    let last = if packet.review.is_some() {
        "When they are there, call the tool `submit_review` of the server `striatum` with your verdict (`accept`, \
         `accept_with_findings`, `needs_revision` or `reject`) and one finding for each thing that you found."
    } else {
        "When your work is done, call the tool `complete_work` of the server `striatum`."
    };
    out.paragraph(last);
    out.paragraph(
        "Nothing counts before that call is accepted: if it is refused, the answer says what is wrong, so mend it and call again. \
         Once it is accepted your work is over. Your work tree is a git repository of its own: what you commit is kept with your messages, and what you \
         leave uncommitted is committed for you. With `dry_run` the tool says what would be refused, and does nothing.",
    );
    out.paragraph(
        "If you cannot go on without an answer that only a person can give, call `ask_human`. If the work cannot be done, call \
         `report_failure`; if something stands in the way that somebody else can remove, `block_work`. `get_packet` returns this task.",
    );
    if let Some(jobs) = may_ask(packet) {
        out.paragraph(&format!(
            "What their work does not show you may ask those who did {jobs}: call `ask_upstream`. It ends your work until there is an answer."
        ));
    }
}

/// The jobs whose sessions may be asked, in words.
fn may_ask(packet: &Packet) -> Option<String> {
    let jobs: Vec<&str> = packet.may_ask.iter().map(|job| job.as_str()).collect();
    (!jobs.is_empty()).then(|| jobs.join(", "))
}

fn finish_by_files(out: &mut Markdown, packet: &Packet) {
    if packet.review.is_some() {
        out.paragraph(
            "Begin the first required artifact with your verdict, between two lines of three dashes:\n\n\
             ---\nverdict: accept | accept_with_findings | needs_revision | reject\nfindings:\n  - one line for each\n---",
        );
    }
    out.paragraph(
        "Then end with exit status 0. The work tree is a git repository of its own: what you commit is kept with your messages, and \
         what you leave uncommitted is committed for you.",
    );
    out.paragraph(
        "If you cannot go on without an answer that only a person can give, write {\"ask\": \"your question\"} to the file that the \
         environment variable STRIATUM_REPORT names, and end with exit status 0 at once. What you have done so far is kept, and \
         whoever works on this task next is told your question and the answer. If the work cannot be done at all, write \
         {\"failure\": \"why\"} there instead.",
    );
    if let Some(jobs) = may_ask(packet) {
        out.paragraph(&format!(
            "What their work does not show you may ask those who did {jobs} in the same way: {{\"ask\": \"your question\", \"of\": \"the job\"}}."
        ));
    }
}

#[derive(Default)]
struct Markdown(String);

impl Markdown {
    fn heading(&mut self, level: usize, text: &str) {
        let _ = writeln!(self.0, "{} {text}\n", "#".repeat(level));
    }

    fn paragraph(&mut self, text: &str) {
        if !text.is_empty() {
            let _ = writeln!(self.0, "{text}\n");
        }
    }

    fn quote(&mut self, text: &str) {
        for line in text.lines() {
            let _ = writeln!(self.0, "> {line}");
        }
        self.blank();
    }

    fn item(&mut self, text: &str) {
        let _ = writeln!(self.0, "- {text}");
    }

    fn blank(&mut self) {
        self.0.push('\n');
    }
}
