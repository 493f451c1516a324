//! Rust files that no `mod` line names: cargo does not compile them, so their tests pass by not running.
//! And the reverse, test files that cargo compiles twice.

use std::collections::BTreeSet;

use super::complaint::Complaint;
use super::manifest::Manifest;
use super::source::{Source, is_word, occurrences};
use super::tree::Tree;

/// Files under `src/` and `tests/` of a package that no target of it reaches.
///
/// Where a package has a single test binary (`tests/main.rs`, `autotests = false` or a `[[test]]`), every other
/// file must be a module of it. A folder of cases that a test reads as data, as compile-fail tests do, is
/// reached when a test names it in a string that begins with `tests/`.
pub(crate) fn files(tree: &Tree) -> Vec<Complaint> {
    let packages: Vec<Manifest<'_>> =
        tree.manifests().filter(|manifest| manifest.package().is_some()).collect();
    packages.iter().flat_map(|package| forgotten_in(tree, package)).collect()
}

/// Packages whose tests run twice: as modules of `tests/main.rs`, and as the binaries that cargo makes of its
/// neighbours.
pub(crate) fn doubled_tests(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for package in tree.manifests().filter(|manifest| manifest.package().is_some()) {
        let folder = format!("{}/tests/", package.folder());
        let names = tree.texts().filter_map(|(path, _)| path.strip_prefix(&folder));
        let beside =
            names.filter(|name| !name.contains('/') && name.ends_with(".rs") && *name != "main.rs").count();
        let is_joined = tree.contains(&format!("{folder}main.rs"));
        if is_joined && beside > 0 && package.value("package", "autotests") != Some("false") {
            let what = "cargo makes a test binary of every file beside tests/main.rs";
            let remedy = "set `autotests = false` and name tests/main.rs in a `[[test]]`";
            complaints.push(Complaint::new(package.path, 1, what, remedy));
        }
    }
    complaints
}

fn forgotten_in(tree: &Tree, package: &Manifest<'_>) -> Vec<Complaint> {
    let inside =
        |path: &str| path.strip_prefix(package.folder()).unwrap_or(path).trim_start_matches('/').to_owned();
    let in_package =
        |path: &&str| path.starts_with(&format!("{}/", package.folder())) || package.folder().is_empty();
    let rust = || tree.texts().map(|(path, _)| path).filter(|path| path.ends_with(".rs")).filter(in_package);
    let single = has_single_test_binary(tree, package);
    let roots = rust().filter(|path| is_root(package, single, &inside(path)));
    let reached = reach(tree, roots.map(str::to_owned).collect());
    let data = data_folders(tree, &reached);
    let compiled = |path: &str| path.starts_with("src/") || path.starts_with("tests/");
    let forgotten = rust().filter(|path| compiled(&inside(path)) && !reached.contains(*path));
    let forgotten =
        forgotten.filter(|path| !data.iter().any(|folder| inside(path).starts_with(folder.as_str())));
    let remedy = "declare it with `mod` where it belongs, or remove it";
    forgotten
        .map(|path| Complaint::new(path, 1, "no `mod` line names this file: it is never compiled", remedy))
        .collect()
}

fn has_single_test_binary(tree: &Tree, package: &Manifest<'_>) -> bool {
    tree.text(&format!("{}/tests/main.rs", package.folder())).is_some()
        || package.value("package", "autotests") == Some("false")
        || package.has_table("test")
}

/// Whether cargo takes a file, given by its path in the package, as the root of a target.
fn is_root(package: &Manifest<'_>, single_test_binary: bool, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["src", "lib.rs" | "main.rs"] | ["src", "bin", _] | ["src", "bin", _, "main.rs"] => true,
        ["tests", "main.rs"] => true,
        ["tests", _] | ["tests", _, "main.rs"] if !single_test_binary => true,
        _ => ["lib", "bin", "test"].iter().any(|kind| package.target_paths(kind).contains(&path)),
    }
}

/// The roots, and every file that they name with `mod`, directly or not.
fn reach(tree: &Tree, roots: Vec<String>) -> BTreeSet<String> {
    let mut reached: BTreeSet<String> = roots.iter().cloned().collect();
    let mut next: Vec<(String, bool)> = roots.into_iter().map(|path| (path, true)).collect();
    while let Some((path, is_root)) = next.pop() {
        let Some(source) = tree.source(&path) else { continue };
        let children = modules(&source, is_root).into_iter().filter(|child| tree.contains(child));
        for child in children {
            if reached.insert(child.clone()) {
                next.push((child, false));
            }
        }
    }
    reached
}

/// Where the modules that a file declares may lie.
fn modules(source: &Source<'_>, is_root: bool) -> Vec<String> {
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", source.path));
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let below = if is_root { folder.to_owned() } else { format!("{folder}/{stem}") };
    let declared = occurrences(&source.code, "mod ").filter_map(|at| {
        let rest = &source.code[at + "mod ".len()..];
        let name: String = rest.chars().take_while(|c| is_word(*c)).collect();
        rest[name.len()..].trim_start().starts_with(';').then_some(name)
    });
    let named = declared.map(|name| format!("{below}/{name}.rs"));
    let attributes = source.lines_with("#[path");
    let placed = source.literals.iter().filter(|literal| attributes.contains(&literal.line));
    named.chain(placed.map(|literal| format!("{folder}/{}", literal.text))).collect()
}

/// Folders under `tests/` that reached files name in strings, with a closing `/`.
fn data_folders(tree: &Tree, reached: &BTreeSet<String>) -> BTreeSet<String> {
    let sources = reached.iter().filter_map(|path| tree.source(path));
    let literals = sources.flat_map(|source| source.literals).map(|literal| literal.text);
    let folder = |text: String| {
        let (folder, _) = text.strip_prefix("tests/")?.split_once('/')?;
        Some(format!("tests/{folder}/"))
    };
    literals.filter_map(folder).collect()
}

#[cfg(test)]
mod tests {
    use super::super::complaint::places;
    use super::*;

    const PACKAGE: (&str, &str) = ("a/Cargo.toml", "[package]\nname = \"a\"");

    fn check(extra: &[(&str, &str)]) -> Vec<String> {
        places(&files(&Tree::of(&[&[PACKAGE], extra].concat())))
    }

    #[test]
    fn a_forgotten_test_is_found() {
        let found = check(&[
            ("a/tests/main.rs", "mod claims;"),
            ("a/tests/claims.rs", "mod late;"),
            ("a/tests/claims/late.rs", ""),
            ("a/tests/leases.rs", ""),
            ("a/tests/claims/early.rs", ""),
        ]);
        assert_eq!(found, ["a/tests/claims/early.rs:1", "a/tests/leases.rs:1"]);
    }

    #[test]
    fn a_forgotten_module_is_found() {
        let found = check(&[
            ("a/src/lib.rs", "pub mod b;\nmod inline { }\n// mod c;"),
            ("a/src/b.rs", ""),
            ("a/src/c.rs", ""),
        ]);
        assert_eq!(found, ["a/src/c.rs:1"]);
    }

    #[test]
    fn separate_test_binaries_are_no_modules_unless_switched_off() {
        assert!(check(&[("a/tests/one.rs", ""), ("a/tests/two.rs", "")]).is_empty());
        let off =
            "[package]\nname = \"a\"\nautotests = false\n[[test]]\nname = \"all\"\npath = \"tests/all.rs\"";
        let tree = Tree::of(&[
            ("a/Cargo.toml", off),
            ("a/tests/all.rs", "mod one;"),
            ("a/tests/one.rs", ""),
            ("a/tests/two.rs", ""),
        ]);
        assert_eq!(places(&files(&tree)), ["a/tests/two.rs:1"]);
    }

    #[test]
    fn tests_that_would_run_twice_are_found() {
        let joined = [("a/tests/main.rs", "mod one;"), ("a/tests/one.rs", "")];
        let with = |package| places(&doubled_tests(&Tree::of(&[&[package], &joined[..]].concat())));
        assert_eq!(with(PACKAGE), ["a/Cargo.toml:1"]);
        assert!(with(("a/Cargo.toml", "[package]\nname = \"a\"\nautotests = false")).is_empty());
        assert!(doubled_tests(&Tree::of(&[PACKAGE, joined[0], ("a/tests/one/two.rs", "")])).is_empty());
    }

    #[test]
    fn a_path_attribute_reaches_its_file() {
        let root = "#[cfg(test)]\n#[path = \"odd/place.rs\"]\nmod place;";
        assert!(check(&[("a/src/lib.rs", root), ("a/src/odd/place.rs", "")]).is_empty());
    }

    #[test]
    fn cases_that_a_test_reads_are_data() {
        let root = "fn f() { cases.compile_fail(\"tests/refused/*.rs\") }";
        let found =
            check(&[("a/tests/main.rs", root), ("a/tests/refused/one.rs", ""), ("a/tests/lost/two.rs", "")]);
        assert_eq!(found, ["a/tests/lost/two.rs:1"]);
    }
}
