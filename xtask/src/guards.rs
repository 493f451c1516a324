//! Whether the simulation notices a machine that lacks a guard: `cargo run -p xtask -- guards [name…]`.
//!
//! Each guard is switched off in a copy of the tree, by replacing a piece of its source, and the simulation of the copy must
//! fail within 500 seeds. What is replaced is the code that is shipped, so nothing in it exists for this test; a piece that is
//! not found any more, or found twice, is an error, so the list cannot rot unseen.

mod list;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use list::{GUARDS, Guard};

/// Within how many seeds a missing guard must show.
const SEEDS: &str = "500";

/// The test that plays the documents that have everything.
const TEST: &str = "simulation::no_order_of_events_breaks_a_workflow_that_has_everything";

/// How the simulation says that something does not hold.
const CAUGHT: &str = "this does not hold for workflow";

pub(crate) fn run(root: &Path, names: &[String]) -> ExitCode {
    let chosen: Vec<&Guard> = GUARDS
        .iter()
        .filter(|guard| names.is_empty() || names.iter().any(|name| name == guard.name))
        .collect();
    if let Some(unknown) = names.iter().find(|name| !GUARDS.iter().any(|guard| guard.name == name.as_str())) {
        let known: Vec<&str> = GUARDS.iter().map(|guard| guard.name).collect();
        eprintln!("guards: there is no guard {unknown}; there are {}", known.join(", "));
        return ExitCode::from(2);
    }
    match try_all(root, &chosen) {
        Ok(0) => {
            println!("guards: each of {} is missed when it is switched off", chosen.len());
            ExitCode::SUCCESS
        }
        Ok(unseen) => {
            println!("guards: {unseen} can be switched off unseen");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("guards: {error}");
            ExitCode::from(2)
        }
    }
}

/// Switches each guard off, one after the other, and returns how many are not missed.
fn try_all(root: &Path, guards: &[&Guard]) -> io::Result<usize> {
    let folder = match env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => root.join("target"),
    };
    let folder = folder.join("guards");
    let (tree, build) = (folder.join("tree"), folder.join("build"));
    copy(root, &tree)?;
    let mut unseen = 0;
    for guard in guards {
        let whole = fs::read_to_string(tree.join(guard.file))?;
        fs::write(tree.join(guard.file), guard.switched_off(&whole).map_err(io::Error::other)?)?;
        let started = Instant::now();
        let found = simulate(&tree, &build);
        fs::write(tree.join(guard.file), whole)?;
        match found? {
            Found::Failure(words) => {
                println!("{:<22} missed after {:>3} s: {words}", guard.name, started.elapsed().as_secs());
            }
            Found::Nothing => {
                unseen += 1;
                println!("{:<22} NOT MISSED within {SEEDS} seeds of each document", guard.name);
            }
        }
    }
    Ok(unseen)
}

enum Found {
    Failure(String),
    Nothing,
}

/// Runs the simulation of a tree.
fn simulate(tree: &Path, build: &Path) -> io::Result<Found> {
    let arguments =
        ["test", "--quiet", "--package", "striatum-testkit", "--test", "it", "--", "--exact", TEST];
    let output = Command::new("cargo")
        .args(arguments)
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", build)
        .env("STRIATUM_SEEDS", SEEDS)
        .env("RUST_BACKTRACE", "0")
        .output()?;
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let mut lines = said.lines().skip_while(|line| !line.contains(CAUGHT));
    match (output.status.success(), lines.next()) {
        (true, _) => Ok(Found::Nothing),
        (false, Some(first)) => {
            let rest: Vec<&str> = lines.take(2).map(str::trim).collect();
            Ok(Found::Failure(format!("{}; {}", first.trim(), rest.join("; "))))
        }
        // It was not built, or failed in another way: that proves nothing.
        (false, None) => Err(io::Error::other(format!("the simulation did not run:\n{said}"))),
    }
}

/// Copies what belongs to the repository, as it lies there now. What is the same already keeps its time, so that little has to
/// be built again.
fn copy(root: &Path, to: &Path) -> io::Result<()> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()?;
    if !listed.status.success() {
        return Err(io::Error::other("git does not list the files of the tree"));
    }
    for name in listed.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = String::from_utf8_lossy(name).into_owned();
        let (from, to) = (root.join(&name), to.join(&name));
        let Ok(bytes) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(to, bytes)?;
    }
    Ok(())
}

impl Guard {
    /// The file without the guard.
    fn switched_off(&self, text: &str) -> Result<String, String> {
        match text.matches(self.guarded).count() {
            1 => Ok(text.replacen(self.guarded, self.open, 1)),
            found => Err(format!(
                "{}: what guard `{}` replaces stands there {found} times; mend xtask/src/guards/list.rs:\n{}",
                self.file, self.name, self.guarded
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_a_guard_replaces_stands_where_the_list_says_once() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for guard in GUARDS {
            let text = fs::read_to_string(root.join(guard.file)).unwrap();
            let open = guard.switched_off(&text).unwrap_or_else(|error| panic!("{error}"));
            assert_ne!(open, text, "{} changes nothing", guard.name);
        }
    }

    #[test]
    fn guards_have_different_names() {
        let names: BTreeSet<&str> = GUARDS.iter().map(|guard| guard.name).collect();
        assert_eq!(names.len(), GUARDS.len());
    }

    #[test]
    fn a_piece_that_is_gone_or_there_twice_is_an_error() {
        let guard = Guard { name: "n", file: "f", guarded: "x", open: "y" };
        assert_eq!(guard.switched_off("a x b"), Ok("a y b".to_owned()));
        assert!(guard.switched_off("a b").unwrap_err().contains("0 times"));
        assert!(guard.switched_off("x x").unwrap_err().contains("2 times"));
    }
}
