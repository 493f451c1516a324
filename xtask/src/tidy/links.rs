//! Links between documents.

use super::complaint::Complaint;
use super::tree::Tree;

/// Relative links, in documents at the root and under `docs/`, that lead nowhere.
pub(crate) fn dangling(tree: &Tree) -> Vec<Complaint> {
    let is_document =
        |path: &str| path.ends_with(".md") && (!path.contains('/') || path.starts_with("docs/"));
    let mut complaints = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| is_document(path)) {
        for (line, target) in targets(text).into_iter().filter(|(_, target)| is_relative(target)) {
            if !resolve(path, target).is_some_and(|file| tree.contains(&file)) {
                let remedy = "correct the path (it is relative to this document), or add the file";
                complaints.push(Complaint::new(path, line, format!("`{target}` leads nowhere"), remedy));
            }
        }
    }
    complaints
}

/// The targets of `[text](target)` and `[name]: target`, with their lines; code is left out.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_fence = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        } else if !in_fence {
            found.extend(inline(line).map(|target| (number + 1, target)));
            found.extend(definition(line).map(|target| (number + 1, target)));
        }
    }
    found
}

fn inline(line: &str) -> impl Iterator<Item = &str> {
    let links = line.match_indices("](").filter(|(at, _)| line[..*at].matches('`').count().is_multiple_of(2));
    links.filter_map(|(at, mark)| {
        let target = line[at + mark.len()..].split([')', ' ']).next()?;
        Some(target.trim_matches(['<', '>']))
    })
}

fn definition(line: &str) -> Option<&str> {
    let (name, target) = line.trim_start().strip_prefix('[')?.split_once("]:")?;
    (!name.contains(']')).then(|| target.split_whitespace().next()).flatten()
}

fn is_relative(target: &str) -> bool {
    !target.is_empty()
        && !target.starts_with('#')
        && !target.contains("://")
        && !target.starts_with("mailto:")
}

/// The path from the root to which a link leads, or `None` if it leaves the repository.
fn resolve(document: &str, target: &str) -> Option<String> {
    let target = target.split(['#', '?']).next().unwrap_or_default();
    let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::complaint::places;
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        let there = [("docs/formats.md", ""), ("docs/design/0001-x.md", ""), ("LICENSE-MIT", "")];
        let files: Vec<_> = there.into_iter().chain([(path, text)]).collect();
        places(&dangling(&Tree::of(&files)))
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        assert_eq!(check("README.md", "\nsee [a](docs/none.md)"), ["README.md:2"]);
        assert_eq!(check("README.md", "[a][b]\n\n[b]: none.md"), ["README.md:3"]);
        assert_eq!(check("docs/errors.md", "[a](docs/formats.md)"), ["docs/errors.md:1"]);
        assert_eq!(check("README.md", "[a](../elsewhere.md) [b](LICENSE-MIT)"), ["README.md:1"]);
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let text = "[a](docs/formats.md#chain) [b](docs/design/) [c](./LICENSE-MIT) [d](#here)\n\
                    [e](https://example.invalid/x) `[f](none)`\n```\n[g](none)\n```\n[h]: docs/formats.md";
        assert!(check("README.md", text).is_empty());
        assert!(check("docs/design/0002-y.md", "[a](0001-x.md) [b](../formats.md)").is_empty());
    }

    #[test]
    fn documents_of_packages_are_not_checked() {
        assert!(check("striatum/notes.md", "[a](none.md)").is_empty());
    }
}
