//! Watches and steers runs in a terminal, by the operators' interface and nothing else: what any user interface needs is there.
//!
//! ```text
//! cargo run -p quickstart -- serve --port 4711
//! cargo run -p watch -- http://127.0.0.1:4711 .striatum/operator.token
//! ```
mod board;
mod interface;
#[cfg(test)]
mod tests;
mod waiting;

use std::{io::Write, path::PathBuf, sync::mpsc, thread, time::Duration};

use clap::Parser;
use ratatui::{DefaultTerminal, crossterm::event, widgets::Paragraph};

use board::Board;
use interface::{Failed, Interface};

/// Watches runs, steers them, and answers what waits for a person.
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
    /// Print what there is once, and end.
    #[arg(long)]
    once: bool,
}

fn main() -> Result<(), Failed> {
    perform(Args::parse(), &mut std::io::stdout())
}

fn perform(args: Args, out: &mut impl Write) -> Result<(), Failed> {
    let interface = Interface::new(&args.url, std::fs::read_to_string(&args.token)?.trim());
    let mut board = Board::new(interface.clone(), args.workflow);
    board.refresh()?;
    if args.once {
        return Ok(write!(out, "{board}")?);
    }
    // The terminal is put back in order whatever happens, a panic too.
    let mut terminal = ratatui::try_init()?;
    let watched = watch(&mut terminal, &mut board, interface);
    ratatui::try_restore()?;
    watched
}

/// Shows what there is until `q`.
fn watch(terminal: &mut DefaultTerminal, board: &mut Board, interface: Interface) -> Result<(), Failed> {
    let (told, happened) = mpsc::channel();
    thread::spawn(move || interface.follow(&told));
    while !board.is_done {
        terminal.draw(|frame| frame.render_widget(Paragraph::new(board.to_string()), frame.area()))?;
        board.take_up(happened.try_iter());
        if event::poll(Duration::from_millis(100))?
            && let Some(key) = event::read()?.as_key_press_event()
        {
            board.press(key.code);
        }
    }
    Ok(())
}
