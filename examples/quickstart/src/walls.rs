//! Where agents run, and what the person is told of it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::ValueEnum;
use striatum::{
    core::sandbox::{Access, Sandbox},
    sandbox::{Container, MicroVm, Namespaces, NoSandbox},
};

use crate::{args::Args, failure::Failure, work::say};

/// Which walls stand around agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Walls {
    /// Plain processes of this user.
    None,
    /// Namespaces, Landlock and a filter of system calls.
    Namespaces,
    /// The same, with the first of these walls made by podman.
    Container,
    /// The same as namespaces, twice, with a virtual machine between them.
    #[value(name = "microvm")]
    MicroVm,
}

/// The sandbox that was asked for, or the strongest that this host has. What is chosen without being asked for is told, and why: a
/// workflow that demands more is refused later, and never run with less.
pub(crate) async fn choose(args: &Args, data: &Path) -> Result<Arc<dyn Sandbox>, Failure> {
    let plain = || Arc::new(NoSandbox::new(std::env::var_os("PATH").unwrap_or_default()));
    if args.sandbox == Some(Walls::None) {
        tell(args, &format!("none, as you asked: {}", unheld(args)));
        return Ok(plain());
    }
    let found = match args.sandbox {
        Some(Walls::MicroVm) => machines(args, data).await,
        Some(Walls::Container) => containers(args, data).await,
        _ => namespaces(args, data).await,
    };
    match found {
        Ok((sandbox, what)) => {
            tell(args, &what);
            Ok(sandbox)
        }
        Err(missing) if args.sandbox.is_some() => Err(missing),
        Err(missing) => {
            tell(args, &format!("none: {}. {}", unheld(args), missing.in_one_line()));
            Ok(plain())
        }
    }
}

/// What agents may do whom no wall holds.
fn unheld(args: &Args) -> String {
    let leave = if args.is_service() { "waits for a person" } else { "is granted" };
    format!(
        "agents can do whatever you can; what they ask leave for {leave} if it stays in their tree, and is rejected if it does not"
    )
}

fn tell(args: &Args, what: &str) {
    // What only shows or prints runs no agent.
    if args.runs_agents() {
        say!("walls: {what}");
    }
}

type Found = (Arc<dyn Sandbox>, String);

async fn namespaces(args: &Args, data: &Path) -> Result<Found, Failure> {
    let mut builder = Namespaces::builder().path(path()).protect(data);
    for folder in mounts(args)? {
        builder = builder.mount(folder, Access::Read);
    }
    let sandbox = builder.probe().await?;
    let what = sandbox.measured().to_string();
    Ok((Arc::new(sandbox), what))
}

async fn containers(args: &Args, data: &Path) -> Result<Found, Failure> {
    let mut builder = Container::builder().path(path()).protect(data);
    for folder in mounts(args)? {
        builder = builder.mount(folder, Access::Read);
    }
    let sandbox = builder.probe().await?;
    let what = sandbox.measured().to_string();
    Ok((Arc::new(sandbox), what))
}

async fn machines(args: &Args, data: &Path) -> Result<Found, Failure> {
    let mut builder = MicroVm::builder().path(path()).protect(data).cache(data.join("cache"));
    for folder in mounts(args)? {
        builder = builder.mount(folder, Access::Read);
    }
    let sandbox = builder.probe().await?;
    let what = sandbox.measured().to_string();
    Ok((Arc::new(sandbox), what))
}

fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

fn mounts(args: &Args) -> Result<Vec<PathBuf>, Failure> {
    let absolute = |folder| std::path::absolute(folder).map_err(|error| Failure::io("mount", folder, &error));
    args.mount.iter().map(|folder| absolute(folder)).collect()
}
