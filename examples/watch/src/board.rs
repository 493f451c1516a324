//! What there is, as a page of text, and what keys do.

use std::fmt;

use ratatui::crossterm::event::KeyCode;
use serde_json::{Value, json};

use crate::{
    interface::{Failed, Interface},
    waiting::{self, Waiting},
};

const HELP: &str =
    "↑↓ choose a run · 1-9 answer · n new · c confirm · s start · p pause · r resume · x cancel · q quit";

pub(crate) struct Board {
    interface: Interface,
    workflow: String,
    runs: Vec<Value>,
    chosen: usize,
    jobs: Vec<Value>,
    waiting: Vec<Waiting>,
    /// What is being answered, and what was typed of it.
    answer: Option<(Waiting, String)>,
    happened: String,
    said: String,
    pub(crate) is_done: bool,
}

impl Board {
    pub(crate) fn new(interface: Interface, workflow: String) -> Self {
        let (runs, jobs, waiting) = Default::default();
        let (chosen, answer, happened, said, is_done) = Default::default();
        Self { interface, workflow, runs, chosen, jobs, waiting, answer, happened, said, is_done }
    }

    /// Reads the newest runs, and the chosen one in full.
    pub(crate) fn refresh(&mut self) -> Result<(), Failed> {
        self.runs = self.interface.list("/v1/runs")?;
        self.chosen = self.chosen.min(self.runs.len().saturating_sub(1));
        (self.jobs, self.waiting) = (Vec::new(), Vec::new());
        if let Some(run) = self.path() {
            self.jobs = self.interface.list(&format!("{run}/jobs"))?;
            self.waiting = waiting::of(&self.interface, &run)?;
        }
        Ok(())
    }

    fn path(&self) -> Option<String> {
        Some(format!("/v1/runs/{}", self.runs.get(self.chosen)?["run"].as_str()?))
    }

    /// Takes up what happened, and reads everything anew if anything did. The begin of a stream is not told.
    pub(crate) fn take_up(&mut self, happened: impl Iterator<Item = Value>) {
        let happened: Vec<Value> = happened.collect();
        if happened.is_empty() {
            return;
        }
        if let Some(event) = happened.iter().rfind(|event| !event.is_null()) {
            let (at, body) = (text(&event["at"], 19), &event["body"]);
            let (run, kind, job) =
                (text(&body["run"], 8), text(&body["kind"], 40), text(&body["data"]["job"], 40));
            self.happened = format!("{at} {run} {kind} {job}");
        }
        self.renew();
    }

    fn renew(&mut self) {
        if let Err(error) = self.refresh() {
            self.said = error.to_string();
        }
    }

    pub(crate) fn press(&mut self, key: KeyCode) {
        let Some((to, mut typed)) = self.answer.take() else { return self.steer(key) };
        match key {
            KeyCode::Enter => return self.send(&to.path, &to.answer(&typed)),
            KeyCode::Esc => return,
            KeyCode::Char(letter) => typed.push(letter),
            KeyCode::Backspace => drop(typed.pop()),
            _ => {}
        }
        self.answer = Some((to, typed));
    }

    fn steer(&mut self, key: KeyCode) {
        let step = match key {
            KeyCode::Char('c') => "confirm",
            KeyCode::Char('s') => "start",
            KeyCode::Char('p') => "pause",
            KeyCode::Char('r') => "resume",
            KeyCode::Char('x') => "cancel",
            KeyCode::Char('n') => {
                return self.send("/v1/runs", &json!({ "workflow": { "path": self.workflow } }));
            }
            KeyCode::Char(digit @ '1'..='9') => {
                let place = digit as usize - '1' as usize;
                self.answer =
                    (place < self.waiting.len()).then(|| (self.waiting.remove(place), String::new()));
                return;
            }
            KeyCode::Up | KeyCode::Down => {
                self.chosen = self.chosen.saturating_add_signed(if key == KeyCode::Up { -1 } else { 1 });
                return self.renew();
            }
            _ => return self.is_done = key == KeyCode::Char('q'),
        };
        if let Some(run) = self.path() {
            self.send(&format!("{run}/{step}"), &json!({}));
        }
    }

    /// Sends a request. A refusal is shown: it says what to do.
    fn send(&mut self, path: &str, body: &Value) {
        let answer = self.interface.ask(path, Some(body));
        self.said = answer.map_or_else(|refused| refused.to_string(), |_| "done".to_owned());
        self.renew();
    }
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As many as fit on a screen with the rest.
        for (n, run) in self.runs.iter().enumerate().skip(self.chosen.saturating_sub(4)).take(9) {
            let mark = if n == self.chosen { '>' } else { ' ' };
            let paused = if run["paused"] == true { " (paused)" } else { "" };
            let [id, status, workflow] = ["run", "status", "workflow"].map(|key| text(&run[key], 40));
            writeln!(f, "{mark} {id:.8} {status:<26} {workflow}{paused}")?;
        }
        for job in &self.jobs {
            let [id, status, attempt, verdict] =
                ["job", "status", "attempt", "verdict"].map(|key| text(&job[key], 24));
            writeln!(f, "    {id:<24} {status:<14} attempt {attempt} {verdict}")?;
        }
        writeln!(f, "\nwaits for a person")?;
        (1..).zip(&self.waiting).try_for_each(|(n, waiting)| writeln!(f, "  {n} {}", waiting.line))?;
        match &self.answer {
            Some((to, typed)) => writeln!(f, "\n{}\n({})\n> {typed}", to.line, to.hint),
            None => writeln!(f, "\n{}\n{}\n{HELP}", self.happened, self.said),
        }
    }
}

/// The beginning of a text, without what could steer the terminal.
pub(crate) fn text(value: &Value, most: usize) -> String {
    let plain = match value {
        Value::Null => String::new(),
        Value::String(text) => text.chars().filter(|c| !c.is_control()).collect(),
        other => other.to_string(),
    };
    plain.chars().take(most).collect()
}
