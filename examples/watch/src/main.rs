//! Watches and steers runs in a terminal, by the operators' interface and nothing else: what any user interface needs is there.
//!
//! ```text
//! cargo run -p quickstart -- serve
//! cargo run -p watch -- http://127.0.0.1:4711 .striatum/operator.token
//! ```
mod board;
mod interface;

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEventKind},
};
use serde_json::json;
use tokio::sync::mpsc;

use board::Board;
use interface::{Failed, Interface};

/// How often it is looked at whether a key was pressed.
const KEYS: Duration = Duration::from_millis(100);

/// Watches runs, and pauses, resumes, cancels or begins them.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Where the interface is, as `quickstart serve` says.
    url: String,
    /// The file with the token.
    token: PathBuf,
    /// The workflow that `n` begins a run of, by its path in the repository.
    #[arg(long, default_value = "workflow/workflow.json")]
    workflow: String,
    /// Print the runs and their jobs once, and end.
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let args = Args::parse();
    let token = std::fs::read_to_string(&args.token)?;
    let interface = Interface::new(&args.url, token.trim())?;
    let mut board = Board::default();
    board.refresh(&interface).await?;
    if args.once {
        return Ok(board.print(&mut std::io::stdout())?);
    }
    // The terminal is put back in order whatever happens, a panic too.
    let mut terminal = ratatui::try_init()?;
    let watched = watch(&mut terminal, &interface, &mut board, &args.workflow).await;
    ratatui::try_restore()?;
    watched
}

/// Shows what there is until `q`. Whatever happens to a run comes as an event, and then the board is read anew.
async fn watch(
    terminal: &mut DefaultTerminal,
    interface: &Interface,
    board: &mut Board,
    workflow: &str,
) -> Result<(), Failed> {
    let (told, mut happened) = mpsc::channel(64);
    let follower = interface.clone();
    tokio::spawn(async move { follower.follow(told).await });
    let mut keys = keys();
    loop {
        terminal.draw(|frame| board.draw(frame))?;
        tokio::select! {
            Some(what) = happened.recv() => {
                board.tell(what);
                while let Ok(what) = happened.try_recv() {
                    board.tell(what);
                }
                board.renew(interface).await;
            }
            Some(key) = keys.recv() => match key {
                KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                KeyCode::Up => board.select(interface, -1).await,
                KeyCode::Down => board.select(interface, 1).await,
                KeyCode::Char(letter) => steer(interface, board, letter, workflow).await,
                _ => {}
            },
        }
    }
}

/// Does what a letter stands for. A refusal is shown: it says what to do.
async fn steer(interface: &Interface, board: &mut Board, letter: char, workflow: &str) {
    let step = match letter {
        'p' => "pause",
        'r' => "resume",
        'c' => "confirm",
        's' => "start",
        'x' => "cancel",
        'n' => {
            let answer = interface.post("/v1/runs", &json!({ "workflow": { "path": workflow } })).await;
            return board.answered("prepare", answer);
        }
        _ => return,
    };
    if let Some(run) = board.selected() {
        let answer = interface.post(&format!("/v1/runs/{run}/{step}"), &json!({})).await;
        board.answered(step, answer);
    }
}

/// The keys that are pressed. The terminal is read in a thread of its own, which ends when nobody listens any more.
fn keys() -> mpsc::Receiver<KeyCode> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            if let Ok(true) = event::poll(KEYS)
                && let Ok(Event::Key(key)) = event::read()
                && key.kind == KeyEventKind::Press
                && sender.blocking_send(key.code).is_err()
            {
                return;
            }
        }
    });
    receiver
}
