//! All sandboxes pass the suite.

use std::sync::Arc;

use async_trait::async_trait;
use striatum_core::sandbox::Sandbox;
use striatum_testkit::sandbox::SandboxFactory;

#[cfg(target_os = "linux")]
use crate::support::as_an_ordinary_user;
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

#[cfg(target_os = "linux")]
#[test]
fn every_case_holds_in_namespaces_as_an_ordinary_user() {
    if rustix::process::geteuid().is_root() {
        let name = "every_case_holds_in_namespaces_as_an_ordinary_user";
        as_an_ordinary_user(name, striatum_testkit::sandbox::cases().len(), "conformance::namespaces::");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn every_case_holds_in_containers_as_an_ordinary_user() {
    if rustix::process::geteuid().is_root() {
        let name = "every_case_holds_in_containers_as_an_ordinary_user";
        let test = "conformance::probed_once::every_case_holds_in_containers";
        crate::support::in_containers_of_an_ordinary_user(name, test);
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test]
async fn every_case_holds_in_machines_as_an_ordinary_user() {
    let name = "every_case_holds_in_machines_as_an_ordinary_user";
    if rustix::process::geteuid().is_root() && !crate::support::is_for_another_day(name).await {
        as_an_ordinary_user(name, 1, "conformance::probed_once::every_case_holds_in_machines");
    }
}

/// Sandboxes whose probe takes long: all cases in one test, for a probe of its own would double the time of each.
#[cfg(target_os = "linux")]
mod probed_once {
    use std::time::Duration;

    use futures_util::{StreamExt as _, stream};
    use striatum_testkit::sandbox::cases;

    use super::*;

    /// A minute is not enough for a machine that is emulated on a busy host.
    const PATIENCE: Duration = Duration::from_secs(240);

    struct Probed(Arc<dyn Sandbox>);

    #[async_trait]
    impl SandboxFactory for Probed {
        async fn sandbox(&self) -> Option<Arc<dyn Sandbox>> {
            Some(Arc::clone(&self.0))
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_case_holds_in_containers() {
        let name = "every_case_holds_in_containers";
        if let Some(sandbox) = crate::support::containers_with(name, |builder| builder).await {
            every_case_holds(Arc::new(sandbox)).await;
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[tokio::test(flavor = "multi_thread")]
    async fn every_case_holds_in_machines() {
        let name = "every_case_holds_in_machines";
        if let Some(sandbox) = crate::support::machines_with(name, |builder| builder).await {
            every_case_holds(Arc::new(sandbox)).await;
        }
    }

    async fn every_case_holds(sandbox: Arc<dyn Sandbox>) {
        let checks = cases().into_iter().map(|case| {
            let probed = Probed(Arc::clone(&sandbox));
            async move {
                let checked = tokio::spawn(async move { case.check_within(PATIENCE, &probed).await }).await;
                checked.is_err().then_some(case.name())
            }
        });
        let failed: Vec<_> =
            stream::iter(checks).buffer_unordered(3).filter_map(async |it| it).collect().await;
        assert_eq!(failed, [""; 0]);
    }
}
