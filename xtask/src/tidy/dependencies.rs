//! Which package may depend on which.

use super::complaint::Complaint;
use super::manifest::{Dependency, Manifest, Use};
use super::tree::Tree;

const CORE: &str = "striatum-core";
const TESTKIT: &str = "striatum-testkit";
const FACADE: &str = "striatum";

/// Runtimes and databases that the core must build without; its tests may use a runtime.
const TOO_HEAVY_FOR_CORE: &[&str] = &["tokio", "rusqlite", "tokio-postgres"];

/// Dependencies between our own packages that run against the layers.
///
/// The core stands alone. A backend, and the testkit, know the core only; their tests may use the testkit.
pub(crate) fn between_our_crates(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for manifest in tree.manifests() {
        let Some(package) = manifest.package().filter(|name| name.starts_with("striatum-")) else { continue };
        for dependency in manifest.dependencies().into_iter().filter(is_ours) {
            if !may_use(package, &dependency) {
                let what = format!("`{package}` depends on `{}`", dependency.name);
                let remedy = "depend on striatum-core only (and on striatum-testkit in tests); join backends in `striatum`";
                complaints.push(Complaint::new(manifest.path, dependency.line, what, remedy));
            }
        }
    }
    complaints
}

/// Runtimes and databases among the dependencies of the core.
pub(crate) fn heavy_core(tree: &Tree) -> Vec<Complaint> {
    let core = |manifest: &Manifest<'_>| manifest.package() == Some(CORE);
    let mut complaints = Vec::new();
    for manifest in tree.manifests().filter(core) {
        for Dependency { name, line, .. } in manifest.dependencies().into_iter().filter(is_too_heavy) {
            let what = format!("the core depends on `{name}`");
            let remedy = "the core is neutral to runtimes and databases: put this in a backend crate";
            complaints.push(Complaint::new(manifest.path, line, what, remedy));
        }
    }
    complaints
}

fn is_ours(dependency: &Dependency) -> bool {
    dependency.name == FACADE || dependency.name.starts_with("striatum-")
}

fn may_use(package: &str, dependency: &Dependency) -> bool {
    match (dependency.use_, dependency.name.as_str()) {
        (Use::Product, CORE) => package != CORE,
        (Use::Tests, CORE | TESTKIT) => true,
        _ => false,
    }
}

fn is_too_heavy(dependency: &Dependency) -> bool {
    dependency.use_ == Use::Product && TOO_HEAVY_FOR_CORE.contains(&dependency.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::complaint::places;
    use super::*;

    fn check(rule: fn(&Tree) -> Vec<Complaint>, package: &str, rest: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"{package}\"\n{rest}");
        places(&rule(&Tree::of(&[("x/Cargo.toml", &text)])))
    }

    #[test]
    fn a_backend_that_knows_another_is_found() {
        let check = |rest| check(between_our_crates, "striatum-sqlite", rest);
        assert_eq!(check("[dependencies]\nstriatum-sandbox.workspace = true"), ["x/Cargo.toml:4"]);
        assert_eq!(check("[dependencies]\nstriatum = \"1\""), ["x/Cargo.toml:4"]);
        assert_eq!(check("[dependencies]\nstriatum-testkit.workspace = true"), ["x/Cargo.toml:4"]);
        assert_eq!(check("[dev-dependencies]\nstriatum-workspace.workspace = true"), ["x/Cargo.toml:4"]);
        assert!(check("[dependencies]\nstriatum-core.workspace = true").is_empty());
        assert!(check("[dev-dependencies]\nstriatum-testkit.workspace = true").is_empty());
    }

    #[test]
    fn a_core_that_knows_its_backends_is_found() {
        let found = check(between_our_crates, CORE, "[dependencies]\nstriatum-sqlite.workspace = true");
        assert_eq!(found, ["x/Cargo.toml:4"]);
    }

    #[test]
    fn the_facade_may_know_everything() {
        assert!(
            check(between_our_crates, FACADE, "[dependencies]\nstriatum-sqlite.workspace = true").is_empty()
        );
    }

    #[test]
    fn a_core_with_a_runtime_is_found() {
        for name in TOO_HEAVY_FOR_CORE {
            let found = check(heavy_core, CORE, &format!("[dependencies]\n{name}.workspace = true"));
            assert_eq!(found, ["x/Cargo.toml:4"]);
        }
        assert!(check(heavy_core, CORE, "[dev-dependencies]\ntokio.workspace = true").is_empty());
        assert!(check(heavy_core, "striatum-sqlite", "[dependencies]\ntokio.workspace = true").is_empty());
    }
}
