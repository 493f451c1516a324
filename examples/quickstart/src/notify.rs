//! Who is told when a person is wanted.

use std::sync::Arc;

use striatum::notify::{Notifier, NotifyCommand};

use crate::{args::Args, failure::Failure, work::say};

#[cfg(feature = "acp")]
mod receiver;

/// How somebody is told, and whom that reaches.
type Told = (Arc<dyn Notifier>, String);

/// The command or the receiver that the command line names. Whatever is wrong with it is told before an agent is started.
pub(crate) fn notifier(args: &Args) -> Result<Option<Arc<dyn Notifier>>, Failure> {
    let named = match &args.notify_command {
        Some(command) => Some(program(command)?),
        #[cfg(feature = "acp")]
        None => receiver::named(args)?,
        #[cfg(not(feature = "acp"))]
        None => None,
    };
    let Some((notifier, whom)) = named else { return Ok(None) };
    if args.runs_agents() {
        say!("notify: {whom} is told when a person is wanted");
    }
    Ok(Some(notifier))
}

/// A command as a shell would read it, and its program.
fn program(command: &str) -> Result<Told, Failure> {
    let words = shlex::split(command).unwrap_or_default();
    let wrong = || {
        let sentence = format!("{command:?} is no command");
        Failure::new("notify_invalid", sentence, "close its quotes, and name a program")
    };
    let program = words.first().cloned().ok_or_else(wrong)?;
    Ok((Arc::new(NotifyCommand::new(words)), program))
}
