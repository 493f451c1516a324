//! Packages and the workspace that they belong to.

use super::complaint::Complaint;
use super::manifest::Manifest;
use super::tree::Tree;

/// Packages, examples above all, that the workspace does not name: no check would ever build them.
pub(crate) fn left_out(tree: &Tree) -> Vec<Complaint> {
    let root = tree.text("Cargo.toml").map(|text| Manifest::parse("Cargo.toml", text));
    let members = root.as_ref().map(|root| root.list("workspace", "members")).unwrap_or_default();
    let is_member = |folder: &str| members.iter().any(|member| matches(member, folder));
    let packages = tree.manifests().filter(|manifest| manifest.package().is_some());
    let left_out = packages.filter(|manifest| !manifest.folder().is_empty() && !is_member(manifest.folder()));
    let remedy = "add its folder to `members` in the root Cargo.toml";
    left_out
        .map(|manifest| Complaint::new(manifest.path, 1, "this package is in no workspace", remedy))
        .collect()
}

/// The one package that may have `unsafe`, each site with its reason. Cargo has no way to change one lint of many, so it repeats
/// the workspace's.
const WITH_UNSAFE: &str = "striatum-sandbox";

/// Packages that do not take the workspace's lints.
pub(crate) fn without_lints(tree: &Tree) -> Vec<Complaint> {
    let root = tree.text("Cargo.toml").map(|text| Manifest::parse("Cargo.toml", text));
    let packages = tree.manifests().filter(|manifest| manifest.package().is_some());
    let bare = packages.filter(|manifest| {
        let takes_them = manifest.value("lints", "workspace") == Some("true");
        let repeats_them = root.as_ref().is_some_and(|root| repeats_lints(root, manifest));
        let may_repeat_them = manifest.package() == Some(WITH_UNSAFE);
        !(takes_them || may_repeat_them && repeats_them)
    });
    let remedy =
        "add `[lints]` with `workspace = true`; striatum-sandbox repeats them, with `unsafe_code = \"deny\"`";
    bare.map(|manifest| {
        Complaint::new(manifest.path, 1, "this package has lints of its own, or none", remedy)
    })
    .collect()
}

/// Whether a package repeats the workspace's lints, but for `unsafe`, which it denies where others forbid it.
fn repeats_lints(root: &Manifest<'_>, manifest: &Manifest<'_>) -> bool {
    ["rust", "clippy"].into_iter().all(|tool| {
        let mut expected = root.table(&format!("workspace.lints.{tool}"));
        for (key, value) in &mut expected {
            if *key == "unsafe_code" {
                *value = "\"deny\"";
            }
        }
        manifest.table(&format!("lints.{tool}")) == expected
    })
}

/// Whether a member of the workspace, `folder` or `folder/*`, is this folder.
fn matches(member: &str, folder: &str) -> bool {
    match member.strip_suffix("/*") {
        Some(parent) => folder.rsplit_once('/').is_some_and(|(above, _)| above == parent),
        None => member == folder,
    }
}

#[cfg(test)]
mod tests {
    use super::super::complaint::places;
    use super::*;

    const PACKAGE: &str = "[package]\nname = \"x\"\n[lints]\nworkspace = true";

    #[test]
    fn an_example_outside_the_workspace_is_found() {
        let root = "[workspace]\nmembers = [\"a\", \"benches/*\"]";
        let tree = Tree::of(&[
            ("Cargo.toml", root),
            ("a/Cargo.toml", PACKAGE),
            ("benches/b/Cargo.toml", PACKAGE),
            ("examples/c/Cargo.toml", PACKAGE),
            ("a/tests/material/Cargo.toml", PACKAGE),
        ]);
        assert_eq!(places(&left_out(&tree)), ["examples/c/Cargo.toml:1"]);
    }

    #[test]
    fn a_package_without_the_lints_is_found() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\nmembers = []"),
            ("a/Cargo.toml", PACKAGE),
            ("b/Cargo.toml", "[package]\nname = \"b\""),
            ("c/Cargo.toml", "[package]\nname = \"c\"\n[lints.rust]\nworkspace = true"),
        ]);
        assert_eq!(places(&without_lints(&tree)), ["b/Cargo.toml:1", "c/Cargo.toml:1"]);
    }

    #[test]
    fn one_package_may_have_unsafe_and_must_repeat_all_other_lints() {
        let root = "[workspace.lints.rust]\nmissing_docs = \"warn\"\nunsafe_code = \"forbid\"";
        let check = |name: &str, lints: &str| {
            let text = format!("[package]\nname = \"{name}\"\n[lints.rust]\n{lints}");
            let tree = Tree::of(&[("Cargo.toml", root), ("a/Cargo.toml", &text)]);
            places(&without_lints(&tree)).is_empty()
        };
        let repeated = "missing_docs = \"warn\"\nunsafe_code = \"deny\"";
        assert!(check(WITH_UNSAFE, repeated));
        assert!(!check("striatum-acp", repeated));
        assert!(!check(WITH_UNSAFE, "unsafe_code = \"deny\""));
        assert!(!check(WITH_UNSAFE, &repeated.replace("deny", "warn")));
    }
}
