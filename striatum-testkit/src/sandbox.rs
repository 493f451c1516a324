//! The conformance suite for sandboxes.
//!
//! A case is an `async fn(&dyn SandboxFactory)` that panics if the sandbox breaks the rule that its name states. Each case works in
//! folders of its own, so cases may run at the same time and in any order. The processes of the cases are shell scripts: the host
//! needs `sh`, `bash` and the usual small programs.
//!
//! What walls must hold, beyond what every sandbox does, is the business of the sandbox's own tests.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use striatum_core::sandbox::Sandbox;

mod list;
mod place;

pub mod ending;
pub mod environment;
pub mod listener;
pub mod reaping;
pub mod start;
pub mod streams;

pub use list::cases;

/// Makes the sandbox that the suite tries.
///
/// ```no_run
/// use std::sync::Arc;
/// use striatum_core::sandbox::Sandbox;
/// use striatum_testkit::sandbox::SandboxFactory;
///
/// struct Mine;
///
/// #[async_trait::async_trait]
/// impl SandboxFactory for Mine {
///     async fn sandbox(&self) -> Option<Arc<dyn Sandbox>> {
///         todo!("one whose PATH is /usr/local/bin:/usr/bin:/bin")
///     }
/// }
///
/// striatum_testkit::sandbox_conformance!(Mine);
/// ```
#[async_trait]
pub trait SandboxFactory: Send + Sync {
    /// A sandbox whose processes find the programs of `/usr/local/bin:/usr/bin:/bin`; nothing where this host cannot have one, which
    /// the factory has told by [`skip`](crate::skip()).
    async fn sandbox(&self) -> Option<Arc<dyn Sandbox>>;
}

type Checking<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// One rule of the port, for harnesses other than [`sandbox_conformance!`](crate::sandbox_conformance).
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    check: for<'a> fn(&'a dyn SandboxFactory) -> Checking<'a>,
}

impl Case {
    /// The rule as a sentence, in words joined by `_`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Checks the rule; panics if it is broken. Runs on tokio.
    pub async fn check(&self, factory: &dyn SandboxFactory) {
        (self.check)(factory).await;
    }

    /// The same, but what does not answer within `patience` hangs; usually that is a minute.
    pub async fn check_within(&self, patience: Duration, factory: &dyn SandboxFactory) {
        place::PATIENCE.scope(patience, (self.check)(factory)).await;
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}
