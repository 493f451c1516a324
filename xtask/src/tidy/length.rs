//! How long a Rust file may be.

use super::complaint::Complaint;
use super::tree::Tree;

const LONG: usize = 400;
const TOO_LONG: usize = 600;

/// Files of more than 600 lines.
pub(crate) fn too_long(tree: &Tree) -> Vec<Complaint> {
    let long = lengths(tree).filter(|(_, lines)| *lines > TOO_LONG);
    let complaint = |(path, lines): (&str, usize)| {
        let remedy = "split it by what its parts do: `foo.rs` beside a folder `foo/`";
        Complaint::new(path, TOO_LONG + 1, format!("{lines} lines, {TOO_LONG} are the most"), remedy)
    };
    long.map(complaint).collect()
}

/// Files that are allowed, but need a reason to be this long.
pub(crate) fn notes(tree: &Tree) -> Vec<String> {
    let long = lengths(tree).filter(|(_, lines)| (LONG..=TOO_LONG).contains(lines));
    long.map(|(path, lines)| format!("{path}: {lines} lines; {LONG} need a reason")).collect()
}

fn lengths(tree: &Tree) -> impl Iterator<Item = (&str, usize)> {
    let rust = tree.texts().filter(|(path, _)| path.ends_with(".rs"));
    rust.map(|(path, text)| (path, text.lines().count()))
}

#[cfg(test)]
mod tests {
    use super::super::complaint::places;
    use super::*;

    #[test]
    fn length_is_noted_first_and_refused_later() {
        for (lines, refused, noted) in [(399, 0, 0), (400, 0, 1), (600, 0, 1), (601, 1, 0)] {
            let tree = Tree::of(&[("a.rs", &"\n".repeat(lines))]);
            assert_eq!((too_long(&tree).len(), notes(&tree).len()), (refused, noted), "{lines} lines");
        }
        assert_eq!(places(&too_long(&Tree::of(&[("a.rs", &"\n".repeat(700))]))), ["a.rs:601"]);
        assert!(too_long(&Tree::of(&[("a.md", &"\n".repeat(700))])).is_empty());
    }
}
