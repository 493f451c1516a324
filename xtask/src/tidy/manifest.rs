//! As much of `Cargo.toml` as the rules need.

/// One `Cargo.toml`, as a list of keys with the table that each stands in.
///
/// This is no TOML parser: it reads the plain forms that this workspace writes. A value keeps its spelling.
#[derive(Debug)]
pub(crate) struct Manifest<'t> {
    pub(crate) path: &'t str,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    table: String,
    key: String,
    value: String,
    line: usize,
}

/// A package named under some kind of dependencies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) use_: Use,
    pub(crate) line: usize,
}

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// For the package itself or its build script: it reaches whoever depends on the package.
    Product,
    /// For the package's tests and examples.
    Tests,
}

impl<'t> Manifest<'t> {
    pub(crate) fn parse(path: &'t str, text: &str) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        let mut table = String::new();
        let mut open = false;
        for (number, line) in text.lines().enumerate() {
            let line = without_comment(line).trim();
            if let Some(last) = entries.last_mut().filter(|_| open) {
                last.value.push_str(line);
                open = is_open(&last.value);
            } else if line.starts_with('[') {
                table = line.trim_matches(['[', ']']).to_owned();
            } else if let Some((key, value)) = line.split_once('=') {
                let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
                open = is_open(&value);
                entries.push(Entry { table: table.clone(), key, value, line: number + 1 });
            }
        }
        Self { path, entries }
    }

    /// The folder of the package, empty for the root.
    pub(crate) fn folder(&self) -> &'t str {
        self.path.strip_suffix("Cargo.toml").unwrap_or(self.path).trim_end_matches('/')
    }

    pub(crate) fn value(&self, table: &str, key: &str) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.table == table && entry.key == key);
        entry.map(|entry| entry.value.as_str())
    }

    /// The package's name, or `None` for a manifest that is a workspace only.
    pub(crate) fn package(&self) -> Option<&str> {
        self.value("package", "name").map(unquote)
    }

    /// The strings in a list such as `members`.
    pub(crate) fn list(&self, table: &str, key: &str) -> Vec<&str> {
        let inside = self.value(table, key).unwrap_or_default().trim_matches(['[', ']']);
        inside.split(',').map(unquote).filter(|item| !item.is_empty()).collect()
    }

    /// The files that targets of a kind (`test`, `bin`, `lib`) name by `path`.
    pub(crate) fn target_paths(&self, kind: &str) -> Vec<&str> {
        let named = self.entries.iter().filter(|entry| entry.table == kind && entry.key == "path");
        named.map(|entry| unquote(&entry.value)).collect()
    }

    /// The keys of a table with their values, as they are spelled.
    pub(crate) fn table(&self, table: &str) -> Vec<(&str, &str)> {
        let entries = self.entries.iter().filter(|entry| entry.table == table);
        entries.map(|entry| (entry.key.as_str(), entry.value.as_str())).collect()
    }

    pub(crate) fn has_table(&self, table: &str) -> bool {
        self.entries.iter().any(|entry| entry.table == table)
    }

    /// Every dependency that the package names, for any platform.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        let mut found: Vec<Dependency> = Vec::new();
        for entry in self.entries.iter().filter(|entry| !entry.table.starts_with("workspace")) {
            let Some((kind, own_table)) = dependency_table(&entry.table) else { continue };
            let key = own_table.unwrap_or_else(|| entry.key.split('.').next().unwrap_or_default());
            let renamed = if own_table.is_some() || entry.key.ends_with(".package") {
                (entry.key == "package" || entry.key.ends_with(".package")).then(|| unquote(&entry.value))
            } else {
                inline_package(&entry.value)
            };
            let name = renamed.unwrap_or(unquote(key)).to_owned();
            found.push(Dependency { name, use_: kind, line: entry.line });
        }
        found.dedup_by(|later, earlier| later.name == earlier.name && later.use_ == earlier.use_);
        found
    }
}

/// What a table of dependencies is for, and the package if the table is about a single one.
fn dependency_table(table: &str) -> Option<(Use, Option<&str>)> {
    let (head, single) = match table.split_once("dependencies.") {
        Some((head, single)) => (head, Some(single)),
        None => (table.strip_suffix("dependencies")?, None),
    };
    let kind = if head.ends_with("dev-") { Use::Tests } else { Use::Product };
    Some((kind, single))
}

/// The `package` of an inline table, which is the dependency's true name.
fn inline_package(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("package")?;
    rest.trim_start().strip_prefix('=')?.split('"').nth(1)
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => return &line[..at],
            _ => {}
        }
    }
    line
}

fn is_open(value: &str) -> bool {
    value.matches('[').count() > value.matches(']').count()
}

fn unquote(value: &str) -> &str {
    value.trim().trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_may_span_lines_and_hold_comments() {
        let text = "[workspace]\nmembers = [\n  \"a\", # first\n  \"b/c\",\n]\nresolver = \"3\"\n";
        let manifest = Manifest::parse("Cargo.toml", text);
        assert_eq!(manifest.list("workspace", "members"), ["a", "b/c"]);
        assert_eq!(manifest.value("workspace", "resolver"), Some("\"3\""));
    }

    #[test]
    fn dependencies_are_found_in_every_spelling() {
        let text = "[dependencies]\na.workspace = true\nb = \"1\"\nc = { package = \"d\", version = \"1\" }\n\
                    [dependencies.e]\nversion = \"1\"\npath = \"x\"\n\
                    [target.'cfg(unix)'.dependencies]\nf = \"1\"\n\
                    [build-dependencies]\ng = \"1\"\n[dev-dependencies]\nh = \"1\"\n\
                    [workspace.dependencies]\ni = \"1\"\n[package]\nname = \"z\"\n";
        let found = Manifest::parse("Cargo.toml", text).dependencies();
        let of = |kind| found.iter().filter(|d| d.use_ == kind).map(|d| d.name.as_str()).collect::<Vec<_>>();
        assert_eq!(of(Use::Product), ["a", "b", "d", "e", "f", "g"]);
        assert_eq!(of(Use::Tests), ["h"]);
    }

    #[test]
    fn a_package_knows_its_folder() {
        assert_eq!(Manifest::parse("examples/a/Cargo.toml", "").folder(), "examples/a");
        assert_eq!(Manifest::parse("Cargo.toml", "").folder(), "");
    }
}
