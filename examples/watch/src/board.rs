//! What is shown: runs, the jobs of the selected one, and what happened last.

use std::io::{self, Write};

use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style},
    text::Line,
    widgets::{Block, List, ListItem, ListState, Paragraph},
};
use serde_json::Value;

use crate::interface::{Failed, Interface};

/// How many lines of what happened are kept.
const KEPT: usize = 200;

const HELP: &str = "↑↓ choose · n new · c confirm · s start · p pause · r resume · x cancel · q quit";

#[derive(Debug, Default)]
pub(crate) struct Board {
    runs: Vec<Value>,
    jobs: Vec<Value>,
    waiting: Vec<Value>,
    happened: Vec<String>,
    chosen: usize,
    said: String,
}

impl Board {
    /// Reads the newest runs, and the chosen one in full.
    pub(crate) fn refresh(&mut self, interface: &Interface) -> Result<(), Failed> {
        self.runs = items(interface.get("/v1/runs?limit=50")?);
        self.chosen = self.chosen.min(self.runs.len().saturating_sub(1));
        (self.jobs, self.waiting) = (Vec::new(), Vec::new());
        if let Some(run) = self.selected() {
            self.jobs = items(interface.get(&format!("/v1/runs/{run}/jobs?limit=200"))?);
            self.waiting = items(interface.get(&format!("/v1/runs/{run}/checkpoints"))?);
            self.waiting.extend(items(interface.get(&format!("/v1/runs/{run}/questions"))?));
        }
        Ok(())
    }

    /// The same; what stands in the way is shown.
    pub(crate) fn renew(&mut self, interface: &Interface) {
        if let Err(error) = self.refresh(interface) {
            self.said = error.to_string();
        }
    }

    pub(crate) fn select(&mut self, interface: &Interface, by: isize) {
        self.chosen = self.chosen.saturating_add_signed(by);
        self.renew(interface);
    }

    /// The chosen run.
    pub(crate) fn selected(&self) -> Option<String> {
        Some(self.runs.get(self.chosen)?["run"].as_str()?.to_owned())
    }

    /// Takes up something that happened.
    pub(crate) fn tell(&mut self, event: &Value) {
        let body = &event["body"];
        let job = text(&body["data"]["job"], 40);
        let line =
            format!("{} {} {} {job}", text(&event["at"], 19), text(&body["run"], 8), text(&body["kind"], 40));
        self.happened.push(line);
        let surplus = self.happened.len().saturating_sub(KEPT);
        self.happened.drain(..surplus);
    }

    pub(crate) fn answered(&mut self, what: &str, answer: Result<Value, Failed>) {
        self.said = match answer {
            Ok(_) => format!("{what}: done"),
            Err(refused) => refused.to_string(),
        };
    }

    /// The same as lines, for those who only look once.
    pub(crate) fn print(&self, to: &mut impl Write) -> io::Result<()> {
        for line in self.runs.iter().map(run_line).chain(self.jobs.iter().map(job_line)) {
            writeln!(to, "{line}")?;
        }
        Ok(())
    }

    pub(crate) fn draw(&self, frame: &mut Frame<'_>) {
        let rows =
            [Constraint::Percentage(35), Constraint::Min(5), Constraint::Length(8), Constraint::Length(2)];
        let [above, middle, below, foot] = Layout::vertical(rows).areas(frame.area());
        let [left, right] =
            Layout::horizontal([Constraint::Percentage(65), Constraint::Min(20)]).areas(middle);
        let list = |title: &'static str, lines: Vec<ListItem<'static>>| {
            let marked = Style::new().add_modifier(Modifier::REVERSED);
            List::new(lines).block(Block::bordered().title(title)).highlight_style(marked)
        };
        let mut state = ListState::default().with_selected(Some(self.chosen));
        let runs = self.runs.iter().map(|run| item(run_line(run), &run["status"])).collect();
        frame.render_stateful_widget(list("runs", runs), above, &mut state);
        let jobs = self.jobs.iter().map(|job| item(job_line(job), &job["status"])).collect();
        frame.render_widget(list("jobs", jobs), left);
        let waiting = self.waiting.iter().map(|it| ListItem::new(waiting_line(it))).collect();
        frame.render_widget(list("waits for you", waiting), right);
        let last = self.happened.iter().rev().take(6).map(|line| ListItem::new(line.clone())).collect();
        frame.render_widget(list("what happened", last), below);
        frame.render_widget(Paragraph::new(vec![Line::from(self.said.as_str()), Line::from(HELP)]), foot);
    }
}

fn item(line: String, status: &Value) -> ListItem<'static> {
    let color = match status.as_str() {
        Some("completed") => Color::Green,
        Some("failed" | "quarantined" | "needs_operator" | "compromised") => Color::Red,
        Some("waiting_human" | "awaiting_input" | "blocked" | "parked") => Color::Yellow,
        Some("running" | "claimed") => Color::Cyan,
        _ => Color::Reset,
    };
    ListItem::new(line).style(Style::new().fg(color))
}

fn run_line(run: &Value) -> String {
    let paused = if run["paused"] == true { " (paused)" } else { "" };
    format!(
        "{} {:<26} {}{paused}",
        text(&run["run"], 8),
        text(&run["status"], 26),
        text(&run["workflow"], 40)
    )
}

fn job_line(job: &Value) -> String {
    let verdict = text(&job["verdict"], 20);
    let (attempt, grants) = (&job["attempt"], &job["grants"]);
    format!(
        "{:<24} {:<14} attempt {attempt}, grant {grants} {verdict}",
        text(&job["job"], 24),
        text(&job["status"], 14)
    )
}

fn waiting_line(waiting: &Value) -> String {
    match waiting["question"].as_u64() {
        Some(question) => format!("question {question} of {}", text(&waiting["job"], 24)),
        None => format!("{}: {}", text(&waiting["job"], 24), text(&waiting["checkpoint"], 24)),
    }
}

fn items(mut page: Value) -> Vec<Value> {
    match page["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

/// The beginning of a text, without what could steer the terminal.
fn text(value: &Value, most: usize) -> String {
    value.as_str().unwrap_or_default().chars().filter(|c| !c.is_control()).take(most).collect()
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};
    use serde_json::json;

    use super::*;

    #[test]
    fn the_board_shows_the_chosen_run_what_waits_and_what_happened() {
        let mut board = Board {
            runs: vec![
                json!({ "run": "ab".repeat(16), "status": "running", "workflow": "greeting", "paused": true }),
            ],
            jobs: vec![
                json!({ "job": "draft", "status": "completed", "attempt": 2, "grants": 3, "verdict": null }),
            ],
            waiting: vec![json!({ "job": "sign", "checkpoint": "planned" })],
            ..Board::default()
        };
        let body = json!({ "run": "ab".repeat(16), "kind": "job.ready", "data": { "job": "sign\u{1b}[2J" } });
        board.tell(&json!({ "at": "2026-11-21T18:00:00.000000Z", "body": body }));
        board.answered("pause", Ok(Value::Null));

        let mut terminal = Terminal::new(TestBackend::new(120, 30)).unwrap();
        terminal.draw(|frame| board.draw(frame)).unwrap();
        let shown = terminal.backend().to_string();
        for words in [
            "abababab running                    greeting (paused)",
            "draft                    completed      attempt 2, grant 3",
            "sign: planned",
            "2026-11-21T18:00:00 abababab job.ready sign[2J",
            "pause: done",
        ] {
            assert!(shown.contains(words), "{words:?} is missing in\n{shown}");
        }
        assert!(!shown.contains('\u{1b}'), "what agents write does not steer the terminal");
    }
}
