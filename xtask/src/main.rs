//! Checks of the Striatum workspace that are programs of their own: `cargo run -p xtask -- tidy`, and `-- guards`.
//!
//! The compiler and clippy guard one crate at a time. What must hold between crates and between files
//! (which module may know which, where SQL and hashing live, that no test file is forgotten) is checked here.
#![expect(clippy::print_stdout, reason = "a program talks to a person")]

mod guards;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((task, [])) if task == "tidy" => tidy::run(&workspace_root()),
        Some((task, names)) if task == "guards" => guards::run(&workspace_root(), names),
        _ => {
            eprintln!("usage: cargo run -p xtask -- tidy | guards [name…]");
            ExitCode::from(2)
        }
    }
}

/// The folder above this package when cargo runs it, else the current folder.
fn workspace_root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    package.and_then(|folder| folder.parent().map(PathBuf::from)).unwrap_or_else(|| PathBuf::from("."))
}
