//! What must not be left behind: placeholders, silenced tests, files that only one machine has.

use super::complaint::Complaint;
use super::tree::{Tree, is_test};

/// Macros and attributes that stand for work not done.
const PLACEHOLDERS: &[&str] = &["todo!", "unimplemented!", "dbg!", "#[ignore", "ignore)]"];

/// Material beside the repository, which whoever clones it does not have. Spelled in two parts, as this file
/// is checked like any other.
const OUTSIDE: &str = concat!("../", "shared");

/// Files named `mod.rs`.
pub(crate) fn mod_files(tree: &Tree) -> Vec<Complaint> {
    let named = tree.texts().filter(|(path, _)| path.split('/').next_back() == Some("mod.rs"));
    let remedy = "move it beside its folder: `foo.rs`, not `foo/mod.rs`";
    named.map(|(path, _)| Complaint::new(path, 1, "a file named mod.rs", remedy)).collect()
}

/// Code that is not finished, and tests that do not run.
pub(crate) fn placeholders(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for source in tree.sources() {
        for phrase in PLACEHOLDERS {
            for line in source.lines_with(phrase) {
                let remedy =
                    "finish it or leave it out; a test that needs a feature of the host skips with a reason";
                complaints.push(Complaint::new(
                    source.path,
                    line,
                    format!("`{phrase}` is left here"),
                    remedy,
                ));
            }
        }
    }
    complaints
}

/// Examples in doc comments that are shown but never compiled.
pub(crate) fn ignored_doc_examples(tree: &Tree) -> Vec<Complaint> {
    let is_fence = |line: &str| {
        let doc = line.trim_start().strip_prefix("///").or_else(|| line.trim_start().strip_prefix("//!"));
        let info = doc.and_then(|doc| doc.trim_start().strip_prefix("```"));
        info.is_some_and(|info| info.split(',').any(|word| word.trim().starts_with("ignore")))
    };
    let mut complaints = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with(".rs")) {
        for (number, _) in text.lines().enumerate().filter(|(_, line)| is_fence(line)) {
            let remedy = "make the example run, or mark it `no_run`, `compile_fail` or `text`";
            complaints.push(Complaint::new(path, number + 1, "an ignored example", remedy));
        }
    }
    complaints
}

/// Mentions of material outside the repository, which only tests may look for.
pub(crate) fn outside_material(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| !is_test(path)) {
        for (number, _) in text.lines().enumerate().filter(|(_, line)| line.contains(OUTSIDE)) {
            let remedy = "only tests may look outside the repository, and they skip when nothing is there";
            complaints.push(Complaint::new(path, number + 1, format!("`{OUTSIDE}` is mentioned"), remedy));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::complaint::places;
    use super::*;

    #[test]
    fn mod_files_are_found() {
        let tree = Tree::of(&[("a/src/b/mod.rs", ""), ("a/src/amod.rs", "")]);
        assert_eq!(places(&mod_files(&tree)), ["a/src/b/mod.rs:1"]);
    }

    #[test]
    fn every_placeholder_is_found() {
        let text =
            "todo!()\nunimplemented!()\ndbg!(x)\n#[ignore]\n#[ignore = \"slow\"]\n#[cfg_attr(x, ignore)]";
        assert_eq!(placeholders(&Tree::of(&[("a.rs", text)])).len(), 6);
        let harmless = "// todo!()\nf(\"todo!\");\nmytodo!();\n#[ignored]\nignore(x)";
        assert!(placeholders(&Tree::of(&[("a.rs", harmless)])).is_empty());
    }

    #[test]
    fn ignored_examples_are_found() {
        let text = "/// ```ignore\n//! ```rust,ignore\n/// ```no_run\n/// ```text\n/// please ignore";
        assert_eq!(places(&ignored_doc_examples(&Tree::of(&[("a.rs", text)]))), ["a.rs:1", "a.rs:2"]);
    }

    #[test]
    fn material_outside_is_for_tests_only() {
        let text = format!("\nread(\"../{OUTSIDE}/fixtures\")");
        let of = |path| places(&outside_material(&Tree::of(&[(path, &text)])));
        for path in ["a/src/lib.rs", "docs/formats.md", "check", "a/Cargo.toml"] {
            assert_eq!(of(path), [format!("{path}:2")]);
        }
        for path in ["a/tests/main.rs", "a/src/chain/tests.rs"] {
            assert!(of(path).is_empty());
        }
    }
}
