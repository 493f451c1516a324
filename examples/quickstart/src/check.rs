//! Judging documents without running them.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    process::ExitCode,
};

use serde_json::{Value, json};
use striatum::core::{
    rehearsal::{self, Options, Report, rehearse},
    workflow::{Finding, Rules, Severity, Validated, Workflow},
};

use crate::{
    args::{Args, Picture},
    failure::Failure,
    work::print,
};

/// One byte more than a document may have: enough for the validator to refuse it.
const ENOUGH: u64 = (4 << 20) + 1;

/// Judges each document, plays it to its ends or draws it, and prints what came of it. The exit code is 1 if something is wrong.
pub(crate) fn check(args: &Args) -> Result<ExitCode, Failure> {
    let checked: Vec<Checked> = args.check.iter().map(|path| Checked::of(path, args.draw)).collect();
    let sound = checked.iter().filter(|file| file.is_sound()).count();
    let is_sound = sound == checked.len();
    let text = if args.json {
        let files: Vec<Value> = checked.iter().map(Checked::to_json).collect();
        format!("{:#}\n", json!({ "sound": is_sound, "files": files }))
    } else {
        let each: String = checked.iter().map(Checked::to_text).collect();
        match checked.len() {
            _ if args.draw.is_some() => each,
            1 => each,
            all => format!("{each}{sound} of {all} documents are sound\n"),
        }
    };
    let printed = print(&text)?;
    Ok(if is_sound { printed } else { ExitCode::FAILURE })
}

/// What was found about one document.
struct Checked {
    file: String,
    found: Vec<Found>,
    /// How many findings there are beyond those that are listed.
    omitted: usize,
    /// How it played, if it could be.
    report: Option<Report>,
    /// What it looks like, if that is wanted.
    drawn: Option<String>,
}

/// Something that was found, by whomever.
struct Found {
    severity: Severity,
    /// The line for a person.
    line: String,
    remedy: &'static str,
    history: Vec<String>,
    json: Value,
}

impl Checked {
    fn of(path: &Path, draw: Option<Picture>) -> Self {
        let file = path.display().to_string();
        let mut checked = Self { file, found: Vec::new(), omitted: 0, report: None, drawn: None };
        match read(path) {
            Ok(bytes) => checked.judge(&bytes, path, draw),
            Err(error) => {
                let message = format!("the file cannot be read: {error}");
                checked.found.push(Found::beside(
                    "file_unreadable",
                    Severity::Error,
                    "",
                    message,
                    "Check the path and its permissions.",
                ));
            }
        }
        checked
    }

    fn judge(&mut self, bytes: &[u8], path: &Path, draw: Option<Picture>) {
        match Workflow::parse(bytes, &Rules::default()) {
            Ok(Validated { workflow, .. }) if draw == Some(Picture::Mermaid) => {
                self.drawn = Some(workflow.to_mermaid());
            }
            Ok(Validated { workflow, .. }) if draw == Some(Picture::Dot) => {
                self.drawn = Some(workflow.to_dot());
            }
            Ok(Validated { workflow, warnings, .. }) => {
                self.found.extend(warnings.iter().map(Found::in_document));
                self.look_for_files(&workflow, path);
                self.rehearse(&workflow);
            }
            Err(findings) => {
                self.found.extend(findings.iter().map(Found::in_document));
                self.omitted = findings.omitted();
            }
        }
    }

    /// A run would look beside the document, and, in a repository, at its root.
    fn look_for_files(&mut self, workflow: &Workflow, path: &Path) {
        let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut above = full.ancestors().skip(1);
        let beside = above.next();
        let repository = beside.into_iter().chain(above).find(|folder| folder.join(".git").exists());
        for file in workflow.referenced_files().filter(|file| file.required) {
            let is_there = |root: &Path| root.join(file.path).is_file();
            if !beside.is_some_and(is_there) && !repository.is_some_and(is_there) {
                let message = format!("there is no file {}; without it no run can be prepared", file.path);
                self.found.push(Found::beside(
                    "file_missing",
                    Severity::Warning,
                    &file.pointer,
                    message,
                    "Add the file, or correct the path.",
                ));
            }
        }
    }

    fn rehearse(&mut self, workflow: &Workflow) {
        match rehearse(workflow, &Options::default()) {
            Ok(mut report) => {
                self.found.extend(std::mem::take(&mut report.findings).iter().map(Found::in_rehearsal));
                self.report = Some(report);
            }
            Err(error) => {
                let message = format!("it cannot be played: {error}");
                self.found.push(Found::beside(
                    "rehearsal_impossible",
                    Severity::Error,
                    "",
                    message,
                    "Report this as a defect of striatum, with the document.",
                ));
            }
        }
    }

    fn is_sound(&self) -> bool {
        self.found.iter().all(|found| found.severity < Severity::Error)
    }

    fn to_text(&self) -> String {
        if let Some(drawn) = &self.drawn {
            return drawn.clone();
        }
        let mut text = format!("{}\n", self.file);
        for found in &self.found {
            // What stands in a document must not steer the terminal.
            let line: String = found.line.chars().filter(|c| !c.is_control()).collect();
            text += &format!("  {line}\n");
            if !found.history.is_empty() {
                text += &format!("    after: {}\n", found.history.join(", "));
            }
            if found.severity == Severity::Error {
                text += &format!("    what to do: {}\n", found.remedy);
            }
        }
        if self.omitted > 0 {
            text += &format!("  and {} more\n", self.omitted);
        }
        text + &format!("  {}\n\n", self.summary())
    }

    fn summary(&self) -> String {
        let count = |severity, one| {
            let count = self.found.iter().filter(|found| found.severity == severity).count();
            (count > 0).then(|| format!("{count} {one}{}", if count == 1 { "" } else { "s" }))
        };
        let errors = count(Severity::Error, "error");
        let counted: Vec<String> =
            errors.iter().cloned().chain(count(Severity::Warning, "warning")).collect();
        let verdict = if errors.is_none() { "sound" } else { "not sound" };
        let verdict = match counted.as_slice() {
            [] => verdict.to_owned(),
            counted => format!("{verdict}, with {}", counted.join(" and ")),
        };
        let Some(report) = &self.report else { return verdict };
        let ends = report.ends.iter().map(|(end, times)| format!("{times} {end}"));
        let ends = ends.collect::<Vec<_>>().join(", ");
        format!(
            "{verdict}: {} runs and {} states played ({ends}); at most {} grants, {} were made",
            report.runs, report.states, report.grants_bound, report.most_grants
        )
    }

    fn to_json(&self) -> Value {
        let findings: Vec<&Value> = self.found.iter().map(|found| &found.json).collect();
        json!({
            "file": self.file,
            "sound": self.is_sound(),
            "findings": findings,
            "omitted": self.omitted,
            "rehearsal": self.report,
        })
    }
}

impl Found {
    fn in_document(finding: &Finding) -> Self {
        Self {
            severity: finding.severity,
            line: finding.to_string(),
            remedy: finding.code.remedy(),
            history: Vec::new(),
            json: json!(finding),
        }
    }

    fn in_rehearsal(finding: &rehearsal::Finding) -> Self {
        Self {
            severity: finding.severity,
            line: finding.to_string(),
            remedy: finding.code.remedy(),
            history: finding.history.clone(),
            json: json!(finding),
        }
    }

    /// About what lies beside the document.
    fn beside(code: &str, severity: Severity, pointer: &str, message: String, remedy: &'static str) -> Self {
        let place = if pointer.is_empty() { "(document)" } else { pointer };
        Self {
            severity,
            line: format!("{severity}: {place}: {message} [{code}]"),
            remedy,
            history: Vec::new(),
            json: json!({ "code": code, "severity": severity, "pointer": pointer, "message": message }),
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(ENOUGH).read_to_end(&mut bytes)?;
    Ok(bytes)
}
