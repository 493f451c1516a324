//! Runs coding agents as real workflows: the facade of Striatum with a ready orchestrator.
//!
//! Two agents that review one draft should not be able to agree by accident; a crashed session should leave a record of what it
//! touched; recovery should not be guessing. Striatum gives each run of a workflow a frozen graph, each job a lease with a
//! fencing token, each verdict the exact bytes that it judged, and every event a place in a hash chain that anyone can verify
//! offline.
//!
//! This crate puts the parts together: [`Orchestrator`] claims jobs, gives each a git work tree of its own, runs its agent, hands
//! in what it leaves, and delivers what was accepted on a branch. The parts are crates of their own, re-exported here:
//!
//! - [`core`]: the machine, the chain, the ports;
//! - [`workspace`]: git trees and blobs;
//! - [`sandbox`]: where agents run;
//! - `acp` (feature `acp`, on by default): the Agent Client Protocol;
//! - `sqlite` (feature `sqlite`, on by default): the embedded store;
//! - `adapter::EgressGateway` (feature `egress`): agents behind walls reach named hosts, with placeholders for secrets;
//! - `server` (feature `server`): what agents and operators reach over the network;
//! - `pg` (feature `pg`): the store for many processes and hosts.
//!
//! ```no_run
//! use std::{path::Path, sync::Arc};
//!
//! use striatum::{Document, Orchestrator, core::run::{Actor, Intent}};
//! use striatum::{sandbox::NoSandbox, sqlite::SqliteStore, workspace::{Git, ObjectBlobs, Repository}};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let data = Path::new("/var/lib/my-bot");
//! let orchestrator = Orchestrator::builder()
//!     .store(Arc::new(SqliteStore::open(data.join("striatum.db")).await?))
//!     .blobs(Arc::new(ObjectBlobs::local(&data.join("blobs"))?))
//!     .repository(Repository::open(Path::new("."), data, Git::default()).await?)
//!     .sandbox(Arc::new(NoSandbox::new(std::env::var_os("PATH").unwrap_or_default())))
//!     .data(data)
//!     .build()
//!     .await?;
//! let me = Actor::Human("ada".into());
//! let prepared = orchestrator.prepare(&Document::read(Path::new("workflow.json"))?, me.clone()).await?;
//! orchestrator.confirm_branch(prepared.run, me.clone(), &prepared.branch).await?;
//! orchestrator.command(prepared.run, me, Intent::Start).await?;
//! orchestrator.run_until_idle().await?;
//! # Ok(())
//! # }
//! ```

/// What the README shows.
#[cfg(all(doctest, feature = "acp", feature = "broker", feature = "sqlite"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;

#[cfg(feature = "acp")]
pub use striatum_acp as acp;
pub use striatum_core as core;
#[cfg(feature = "pg")]
pub use striatum_pg as pg;
pub use striatum_sandbox as sandbox;
#[cfg(feature = "server")]
pub use striatum_server as server;
#[cfg(feature = "sqlite")]
pub use striatum_sqlite as sqlite;
pub use striatum_workspace as workspace;

pub mod adapter;
pub mod command;
pub mod fault;
mod instance;
pub mod mint;
pub mod notify;
#[cfg(feature = "server")]
mod operators;
mod orchestrator;
mod progress;
mod prompt;

pub use orchestrator::{Builder, Document, Error, ErrorKind, Limits, Orchestrator, Prepared};
pub use progress::Progress;
