//! Rules for single texts: paths, names of branches and variables; and what an author may have meant.

use crate::{id::JobId, workflow::is_branch_name};

/// So long a path is not written by a person; the limit keeps every check of paths cheap.
const MAX_PATH: usize = 1024;
const MAX_COMPONENTS: usize = 64;

/// A name is searched among so many others; more would make a hostile document dear.
const MAX_CANDIDATES: usize = 500;

/// What a path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathKind {
    /// One file.
    File,
    /// A file, a folder, or `.` for everything.
    Scope,
    /// As a scope; `.git` may be named too.
    Forbidden,
}

/// Why a path cannot stand here, as the end of a sentence.
pub(super) fn path_problem(path: &str, kind: PathKind) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("is empty");
    }
    if path.len() > MAX_PATH || path.split('/').count() > MAX_COMPONENTS {
        return Err("is too long");
    }
    if path.chars().any(char::is_control) {
        return Err("contains a control character");
    }
    if path.contains('\\') {
        return Err("contains a backslash");
    }
    if path.starts_with('/') || path.as_bytes().get(1) == Some(&b':') {
        return Err("is absolute");
    }
    if kind != PathKind::File && path == "." {
        return Ok(());
    }
    let folder = path.strip_suffix('/');
    if folder.is_some() && kind == PathKind::File {
        return Err("is that of a folder");
    }
    folder.unwrap_or(path).split('/').try_for_each(|component| component_problem(component, kind))
}

fn component_problem(component: &str, kind: PathKind) -> Result<(), &'static str> {
    match component {
        ".." => Err("leads out of its folder"),
        "." | "" => Err("is not in its plain form"),
        git if git.eq_ignore_ascii_case(".git") && kind != PathKind::Forbidden => Err("reaches into .git"),
        _ => Ok(()),
    }
}

/// The path in its plain form, if it has one.
pub(super) fn cleaned_path(path: &str, kind: PathKind) -> Option<String> {
    let slashes = path.replace('\\', "/");
    let parts: Vec<_> = slashes.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let clean = match parts.join("/") {
        everything if everything.is_empty() && kind != PathKind::File => ".".to_owned(),
        clean => clean,
    };
    (clean != path && path_problem(&clean, kind).is_ok()).then_some(clean)
}

/// A name close to a text that is none.
pub(super) fn cleaned_name(text: &str) -> Option<String> {
    let plain =
        text.trim().replace(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-'), "_");
    let plain = plain.trim_matches(['.', '-']);
    (plain.contains(|c: char| c.is_ascii_alphanumeric()) && JobId::new(plain).is_ok())
        .then(|| plain.to_owned())
}

/// A branch name close to a text that is none.
pub(super) fn cleaned_branch(text: &str) -> Option<String> {
    let parts: Vec<_> = text.split('/').filter_map(cleaned_name).collect();
    Some(parts.join("/")).filter(|name| is_branch_name(name))
}

/// Whether this is the name of an environment variable.
pub(super) fn is_variable_name(name: &str) -> bool {
    let is_word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_word && !name.is_empty() && name.len() <= 256 && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether only the orchestrator may set this variable.
pub(super) fn is_reserved_variable(name: &str) -> bool {
    name == "PATH" || name.starts_with("STRIATUM_")
}

/// The candidate that differs least from what was written, if any is close.
pub(super) fn nearest<'c>(written: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let limit = written.chars().count().div_ceil(3).clamp(1, 3);
    candidates
        .take(MAX_CANDIDATES)
        .filter_map(|candidate| Some((distance(written, candidate, limit)?, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be changed, added or taken away, unless it is more than `limit`. Only what lies within `limit` of
/// the diagonal is computed: the rest cannot matter.
fn distance(a: &str, b: &str, limit: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(128).collect(), b.chars().take(128).collect());
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let far = limit + 1;
    let mut above: Vec<usize> = (0..=b.len()).map(|cost| cost.min(far)).collect();
    let mut row = vec![far; b.len() + 1];
    for (i, left) in a.iter().enumerate() {
        let (first, last) = (i.saturating_sub(limit), (i + limit + 1).min(b.len()));
        row[first] = if first == 0 { (i + 1).min(far) } else { far };
        for j in first..last {
            let changed = above[j] + usize::from(*left != b[j]);
            row[j + 1] = changed.min(above[j + 1] + 1).min(row[j] + 1).min(far);
        }
        if let Some(beyond) = row.get_mut(last + 1) {
            *beyond = far;
        }
        if row[first..=last].iter().all(|cost| *cost == far) {
            return None;
        }
        std::mem::swap(&mut above, &mut row);
    }
    above.last().copied().filter(|cost| *cost <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_named_as_git_allows() {
        for good in ["main", "striatum/code-change", "a.b", "ä/b", "x@y", "a-"] {
            assert!(is_branch_name(good), "{good}");
        }
        let long = "x".repeat(201);
        for bad in [
            "", "@", "HEAD", "-a", "a.", "a..b", "a@{b", "a b", "a~b", "a^b", "a:b", "a?b", "a*b", "a[b",
            "a\\b", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a\u{7f}", "a\n", &long,
        ] {
            assert!(!is_branch_name(bad), "{bad:?}");
        }
        assert_eq!(cleaned_branch("my branch//x").as_deref(), Some("my_branch/x"));
    }

    #[test]
    fn paths_stay_inside_and_plain() {
        for good in ["a", "a/b.md", ".github/x", "a..b", "..a", "${cycle}/x"] {
            assert_eq!(path_problem(good, PathKind::File), Ok(()), "{good}");
        }
        for bad in
            ["", ".", "..", "a/../b", "/a", "C:/a", "a\\b", "a\0", "a//b", "./a", "a/", ".git", "a/.GIT/b"]
        {
            assert!(path_problem(bad, PathKind::File).is_err(), "{bad:?}");
        }
        for good in [".", "a/", "a"] {
            assert_eq!(path_problem(good, PathKind::Scope), Ok(()), "{good}");
        }
        assert_eq!(path_problem(".git/", PathKind::Forbidden), Ok(()));
    }

    #[test]
    fn a_suggestion_is_itself_correct() {
        assert_eq!(cleaned_path("./a//b/", PathKind::File).as_deref(), Some("a/b"));
        assert_eq!(cleaned_path("/", PathKind::Scope).as_deref(), Some("."));
        assert_eq!(cleaned_path("../a", PathKind::File), None);
        assert_eq!(cleaned_name(" my job! ").as_deref(), Some("my_job_"));
        assert_eq!(cleaned_name("???"), None);
    }

    #[test]
    fn the_nearest_name_is_close_or_none() {
        let names = ["reviewer", "author", "review"];
        assert_eq!(nearest("reviewr", names.into_iter()), Some("reviewer"));
        assert_eq!(nearest("auhtor", names.into_iter()), Some("author"));
        assert_eq!(nearest("tester", names.into_iter()), None);
        assert_eq!(distance("reviewer", "viewers", 3), Some(3));
        assert_eq!(distance("reviewer", "viewers", 2), None);
        assert_eq!(distance("", "ab", 2), Some(2));
    }
}
