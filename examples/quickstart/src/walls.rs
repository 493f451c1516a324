//! Where agents run, and what the person is told of it.

use std::{path::Path, sync::Arc};

use clap::ValueEnum;
use striatum::{core::sandbox::Sandbox, sandbox::NoSandbox};

use crate::{args::Args, failure::Failure, work::say};

/// Which walls stand around agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Walls {
    /// Plain processes of this user.
    None,
    /// Namespaces, Landlock and a filter of system calls.
    Namespaces,
}

/// The sandbox that was asked for, or the strongest that this host has. What is chosen without being asked for is told, and why: a
/// workflow that demands more is refused later, and never run with less.
pub(crate) async fn choose(args: &Args, data: &Path) -> Result<Arc<dyn Sandbox>, Failure> {
    let plain = || Arc::new(NoSandbox::new(std::env::var_os("PATH").unwrap_or_default()));
    if args.sandbox == Some(Walls::None) {
        tell(args, "none, as you asked: agents can do whatever you can");
        return Ok(plain());
    }
    match namespaces(args, data).await {
        Ok((sandbox, what)) => {
            tell(args, &what);
            Ok(sandbox)
        }
        Err(missing) if args.sandbox == Some(Walls::Namespaces) => Err(missing),
        Err(missing) => {
            tell(args, &format!("none: agents can do whatever you can. {}", missing.in_one_line()));
            Ok(plain())
        }
    }
}

fn tell(args: &Args, what: &str) {
    // What only shows or prints runs no agent.
    if args.runs_agents() {
        say!("walls: {what}");
    }
}

#[cfg(target_os = "linux")]
async fn namespaces(args: &Args, data: &Path) -> Result<(Arc<dyn Sandbox>, String), Failure> {
    use striatum::{core::sandbox::Access, sandbox::Namespaces};

    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut builder = Namespaces::builder().path(path).protect(data);
    for folder in &args.mount {
        let folder = std::path::absolute(folder).map_err(|error| Failure::io("mount", folder, &error))?;
        builder = builder.mount(folder, Access::Read);
    }
    let sandbox = builder.probe().await?;
    let what = sandbox.measured().to_string();
    Ok((Arc::new(sandbox), what))
}

#[cfg(not(target_os = "linux"))]
async fn namespaces(_args: &Args, _data: &Path) -> Result<(Arc<dyn Sandbox>, String), Failure> {
    Err(Failure::new("sandbox_unavailable", "there are no namespaces on this system", "run on Linux"))
}
