//! A conformance suite for transports: what must hold however an agent is spoken to, and however it behaves.
//!
//! Whoever writes a transport implements [`TransportFactory`], which says how an agent of that kind does a few [deeds](Deed), and
//! certifies it with one line, [`transport_conformance!`](crate::transport_conformance). The agents are [puppets](Puppet) in the
//! same process, on a clock that stands still while anything happens: a case takes milliseconds however long it waits.

use std::{fmt, future::Future, pin::Pin};

use striatum_core::{sandbox::Exit, transport::AgentTransport};

#[doc(hidden)]
pub mod answers;
#[doc(hidden)]
pub mod cancels;
#[doc(hidden)]
pub mod ends;
#[doc(hidden)]
pub mod hostile;
mod list;
#[doc(hidden)]
pub mod listening;
mod puppet;
mod stage;
#[doc(hidden)]
pub mod tasks;
#[doc(hidden)]
pub mod words;

pub use list::cases;
pub use puppet::{Puppet, child};

/// A future that borrows nothing.
pub type Playing = Pin<Box<dyn Future<Output = Exit> + Send>>;

/// Makes a transport, and plays the agents that it speaks to.
pub trait TransportFactory: Send + Sync {
    /// The transport.
    fn transport(&self) -> Box<dyn AgentTransport>;

    /// Whether an agent can be given one task after the other.
    fn turns(&self) -> Turns;

    /// Plays an agent that does these things one after the other, and says how its process ends. It ends with status 0 when the
    /// script does, or when it can go on no longer: nobody reads what it writes, or nobody speaks to it.
    fn play(&self, puppet: Puppet, script: Vec<Deed>) -> Playing;
}

/// How many tasks an agent takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turns {
    /// One, with which it ends.
    One,
    /// One after the other.
    Many,
}

/// What an agent does. Whoever plays one says how it does each of them: a deed that is added here is a question to every factory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Does whatever comes before the first task. Every script of an agent that behaves begins with it.
    Meet,
    /// Waits until it has its task.
    HearTask,
    /// Says its task back.
    Echo,
    /// Says something.
    Say(String),
    /// Writes to its standard error.
    Complain(String),
    /// Writes bytes to its standard output that mean nothing.
    Raw(Vec<u8>),
    /// Is done with its task. One that takes no other ends with status 0.
    EndTurn,
    /// Waits until it is cancelled, and ends its turn. One that is killed instead need do nothing.
    HeedCancel,
    /// Closes its outputs, and lives on.
    CloseOutputs,
    /// Lives until it is ended, and reads nothing.
    Linger,
    /// Ends so.
    End(Exit),
}

type Checking<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// One rule of the port, for harnesses other than [`transport_conformance!`](crate::transport_conformance).
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    check: for<'a> fn(&'a dyn TransportFactory) -> Checking<'a>,
}

impl Case {
    /// The rule as a sentence, in words joined by `_`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Checks the rule; panics if it is broken. Runs on tokio with a clock that is paused.
    pub async fn check(&self, factory: &dyn TransportFactory) {
        (self.check)(factory).await;
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}
