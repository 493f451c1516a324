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
