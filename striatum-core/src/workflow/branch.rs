//! Names of branches.

/// Whether git accepts the text as the name of a branch, by the rules of `git check-ref-format --branch`.
///
/// ```
/// use striatum_core::workflow::is_branch_name;
///
/// assert!(is_branch_name("striatum/code-change"));
/// assert!(!is_branch_name("-f") && !is_branch_name("a..b") && !is_branch_name("HEAD"));
/// ```
pub fn is_branch_name(text: &str) -> bool {
    let component = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let character = |c: char| !c.is_control() && !" ~^:?*[\\".contains(c);
    (1..=200).contains(&text.len())
        && text.chars().all(character)
        && text.split('/').all(component)
        && !text.starts_with('-')
        && !text.ends_with('.')
        && !text.contains("..")
        && !text.contains("@{")
        && !matches!(text, "@" | "HEAD")
}
