//! The agent: this program once more, in a git tree of its own.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    thread,
    time::Duration,
};

use striatum_testkit::agent::{Script, Task};

use crate::Outcome;

/// What an agent writes into the register when it begins, and when its work is done: a line each, in one piece, since others
/// write too.
const BEGUN: &str = "begun\n";
const DONE: &str = "done\n";

const STEP: Duration = Duration::from_millis(20);
/// Longer than it takes to notice that a worker is dead.
const FOREVER: Duration = Duration::from_secs(60);

/// Thinks for a while, and leaves what its packet asks for. The first draft of a run is sent back for its style.
pub(crate) fn play(register: &Path) -> io::Result<()> {
    let mut register = File::options().append(true).open(register)?;
    // For as long as it lives, so that the keeper can tell that none is left.
    register.lock_shared()?;
    register.write_all(BEGUN.as_bytes())?;
    think(5 + std::process::id() * 37 % 20);
    let verdicts = if Task::read()?.job() == "style" { "needs_revision,accept" } else { "accept" };
    Script::parse(&["--verdicts".to_owned(), verdicts.to_owned()])?.play()?;
    register.write_all(DONE.as_bytes())
}

/// Thinks aloud for some fiftieths of a second. One whose worker has died thinks on until it is ended: that is for whoever takes
/// over.
fn think(steps: u32) {
    for _ in 0..steps {
        let is_heard = writeln!(io::stdout(), "thinking").is_ok();
        thread::sleep(if is_heard { STEP } else { FOREVER });
    }
}

/// What the register says in the end.
pub(crate) struct Register {
    /// How many agents have begun.
    pub(crate) begun: usize,
    /// How many of them were ended before their work was done.
    pub(crate) cut_short: usize,
}

impl Register {
    /// Reads the register.
    ///
    /// # Errors
    /// If an agent still lives.
    pub(crate) fn close(path: &Path) -> Outcome<Self> {
        File::open(path)?.try_lock().map_err(|_| "an agent was left running")?;
        let lines = fs::read_to_string(path)?;
        let begun = lines.matches(BEGUN).count();
        Ok(Self { begun, cut_short: begun - lines.matches(DONE).count() })
    }
}
