//! Watches and steers runs in a terminal, by the operators' interface and nothing else: what any user interface needs is there.
//!
//! ```text
//! cargo run -p quickstart -- serve
//! cargo run -p watch -- http://127.0.0.1:4711 .striatum/operator.token
//! ```
mod board;
mod interface;

use std::{path::PathBuf, sync::mpsc, thread, time::Duration};

use clap::Parser;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEventKind},
};
use serde_json::json;

use board::Board;
use interface::{Failed, Interface};

/// How often it is looked at whether anything happened.
const LOOK: Duration = Duration::from_millis(100);

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

fn main() -> Result<(), Failed> {
    let args = Args::parse();
    let interface = Interface::new(&args.url, std::fs::read_to_string(&args.token)?.trim());
    let mut board = Board::default();
    board.refresh(&interface)?;
    if args.once {
        return Ok(board.print(&mut std::io::stdout())?);
    }
    // The terminal is put back in order whatever happens, a panic too.
    let mut terminal = ratatui::try_init()?;
    let watched = watch(&mut terminal, &interface, &mut board, &args.workflow);
    ratatui::try_restore()?;
    watched
}

/// Shows what there is until `q`. Whatever happens to a run comes as an event, and then the board is read anew.
fn watch(
    terminal: &mut DefaultTerminal,
    interface: &Interface,
    board: &mut Board,
    workflow: &str,
) -> Result<(), Failed> {
    let (told, happened) = mpsc::channel();
    let follower = interface.clone();
    thread::spawn(move || follower.follow(&told));
    loop {
        terminal.draw(|frame| board.draw(frame))?;
        if happened.try_iter().map(|what| board.tell(&what)).count() > 0 {
            board.renew(interface);
        }
        if event::poll(LOOK)?
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            match key.code {
                KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                KeyCode::Up => board.select(interface, -1),
                KeyCode::Down => board.select(interface, 1),
                KeyCode::Char(letter) => steer(interface, board, letter, workflow),
                _ => {}
            }
        }
    }
}

/// Does what a letter stands for. A refusal is shown: it says what to do.
fn steer(interface: &Interface, board: &mut Board, letter: char, workflow: &str) {
    let step = match letter {
        'p' => "pause",
        'r' => "resume",
        'c' => "confirm",
        's' => "start",
        'x' => "cancel",
        'n' => {
            let answer = interface.post("/v1/runs", &json!({ "workflow": { "path": workflow } }));
            return board.answered("prepare", answer);
        }
        _ => return,
    };
    if let Some(run) = board.selected() {
        board.answered(step, interface.post(&format!("/v1/runs/{run}/{step}"), &json!({})));
    }
}
