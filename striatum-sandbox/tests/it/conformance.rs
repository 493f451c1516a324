//! Both sandboxes pass the suite.

use std::sync::Arc;

use async_trait::async_trait;
use striatum_core::sandbox::Sandbox;
use striatum_testkit::sandbox::SandboxFactory;

use crate::support::sandbox;

struct Plain;

#[async_trait]
impl SandboxFactory for Plain {
    async fn sandbox(&self) -> Option<Arc<dyn Sandbox>> {
        Some(Arc::new(sandbox()))
    }
}

mod plain {
    striatum_testkit::sandbox_conformance!(super::Plain);
}

#[cfg(target_os = "linux")]
mod namespaces {
    use super::*;

    struct Walled;

    #[async_trait]
    impl SandboxFactory for Walled {
        async fn sandbox(&self) -> Option<Arc<dyn Sandbox>> {
            let sandbox = crate::support::walls("conformance::namespaces").await?;
            Some(Arc::new(sandbox))
        }
    }

    striatum_testkit::sandbox_conformance!(Walled);
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod machines {
    use std::time::Duration;

    use futures_util::{StreamExt as _, stream};
    use striatum_testkit::sandbox::cases;

    use super::*;

    /// A minute is not enough for a machine that is emulated on a busy host.
    const PATIENCE: Duration = Duration::from_secs(240);

    struct Booted(Arc<dyn Sandbox>);

    #[async_trait]
    impl SandboxFactory for Booted {
        async fn sandbox(&self) -> Option<Arc<dyn Sandbox>> {
            Some(Arc::clone(&self.0))
        }
    }

    /// In one test, for a probe of its own would double the time of each.
    #[tokio::test(flavor = "multi_thread")]
    async fn every_case_holds() {
        let Some(sandbox) = crate::support::machines_with("conformance::machines", |it| it).await else {
            return;
        };
        let sandbox: Arc<dyn Sandbox> = Arc::new(sandbox);
        let checks = cases().into_iter().map(|case| {
            let booted = Booted(Arc::clone(&sandbox));
            async move {
                let checked = tokio::spawn(async move { case.check_within(PATIENCE, &booted).await }).await;
                checked.is_err().then_some(case.name())
            }
        });
        let failed: Vec<_> =
            stream::iter(checks).buffer_unordered(3).filter_map(async |it| it).collect().await;
        assert_eq!(failed, [""; 0]);
    }
}
