//! Which module of `striatum-core` may know which.

use super::complaint::Complaint;
use super::source::{Source, is_word, occurrences};
use super::tree::Tree;

const CORE: &str = "striatum-core/src/";

/// Modules of the core, and those above them that they must not know.
const ABOVE: &[(&[&str], &[&str])] = &[
    (&["id", "time", "digest", "chain", "sandbox", "transport"], &["run", "rehearsal", "store", "engine"]),
    (&["workflow"], &["run", "rehearsal", "store", "engine"]),
    (&["run"], &["rehearsal", "store", "engine"]),
    (&["rehearsal"], &["store", "engine"]),
    (&["store"], &["rehearsal", "engine"]),
];

/// What would make the machine wait, or fail for a reason outside its arguments.
const IMPURE: &[&str] = &["async", ".await", "StoreError", "AppendError", "BlobError"];

/// Modules of the core that reach upwards.
pub(crate) fn upward_references(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for source in tree.sources() {
        let Some(module) = core_module(source.path) else { continue };
        let above = ABOVE.iter().find(|(modules, _)| modules.contains(&module));
        let Some((_, above)) = above else { continue };
        for (line, named) in modules_named(&source) {
            if above.contains(&named.as_str()) {
                let what = format!("`{module}` uses `crate::{named}`, which stands above it");
                let remedy = "pass in what is needed, or move the shared type down to the lower module";
                complaints.push(Complaint::new(source.path, line, what, remedy));
            }
        }
    }
    complaints
}

/// Waiting and store errors in the run machine, which is a function of its arguments.
pub(crate) fn impure_run(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for source in tree.sources().filter(|source| core_module(source.path) == Some("run")) {
        for word in IMPURE {
            for line in source.lines_with(word) {
                let what = format!("`{word}` in the run machine, which neither waits nor knows storage");
                let remedy = "return a decision from here and perform it in the engine";
                complaints.push(Complaint::new(source.path, line, what, remedy));
            }
        }
    }
    complaints
}

/// The top module of the core to which a file belongs.
fn core_module(path: &str) -> Option<&str> {
    let module = path.strip_prefix(CORE)?.split('/').next()?;
    Some(module.strip_suffix(".rs").unwrap_or(module))
}

/// The top modules of its crate that a file names, through `crate::` or through enough `super::`.
fn modules_named(source: &Source<'_>) -> Vec<(usize, String)> {
    let code = &source.code;
    let depth = source.path.strip_prefix(CORE).map_or(0, |inside| inside.split('/').count());
    let from_root = occurrences(code, "crate::").map(|at| (at, at + "crate::".len()));
    let up = "super::".repeat(depth);
    let climbed = occurrences(code, &up).filter(|_| depth > 0).map(|at| (at, at + up.len()));
    let paths = from_root.chain(climbed.filter(|(_, end)| !is_call(&code[*end..])));
    let named = paths.flat_map(|(at, end)| {
        let line = source.line_at(at);
        first_names(&code[end..]).into_iter().map(move |name| (line, name))
    });
    named.collect()
}

/// Whether a path ends at once in a call: then it names a function and no module.
fn is_call(rest: &str) -> bool {
    rest.trim_start_matches(is_word).starts_with('(')
}

/// The first name of a path, or of every path of a `{…}` group.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim_start().chars().take_while(|c| is_word(*c)).collect::<String>();
    let Some(group) = rest.trim_start().strip_prefix('{') else { return vec![name(rest)] };
    let mut names = vec![name(group)];
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(name(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::complaint::places;
    use super::*;

    fn upward(path: &str, text: &str) -> Vec<String> {
        places(&upward_references(&Tree::of(&[(path, text)])))
    }

    #[test]
    fn a_port_that_knows_the_run_is_found() {
        let path = "striatum-core/src/sandbox/spec.rs";
        assert_eq!(upward(path, "use crate::id::RunId;\nuse crate::run::Event;"), [format!("{path}:2")]);
        assert_eq!(upward(path, "use crate::{id::{JobId, RunId}, engine};"), [format!("{path}:1")]);
        assert_eq!(upward(path, "use super::super::store::Batch;"), [format!("{path}:1")]);
        assert_eq!(upward(path, "fn f(x: crate::store::Head) {}"), [format!("{path}:1")]);
    }

    #[test]
    fn each_layer_may_know_those_below() {
        assert!(upward("striatum-core/src/run/decide.rs", "use crate::workflow::Graph;").is_empty());
        assert!(upward("striatum-core/src/store.rs", "use crate::run::Event;").is_empty());
        assert!(upward("striatum-core/src/engine.rs", "use crate::{run, store};").is_empty());
        assert!(
            upward("striatum-core/src/sandbox/spec.rs", "use super::run::Words; // crate::run").is_empty()
        );
        assert!(upward("striatum-core/src/chain.rs", "fn f() { super::run() }").is_empty());
        assert!(upward("striatum-sqlite/src/chain.rs", "use crate::store::X;").is_empty());
    }

    #[test]
    fn each_layer_is_kept_from_those_above() {
        for (modules, above) in ABOVE {
            let pairs = modules.iter().flat_map(|below| above.iter().map(move |above| (below, above)));
            for (below, above) in pairs {
                let path = format!("{CORE}{below}.rs");
                assert_eq!(upward(&path, &format!("use crate::{above}::X;")), [format!("{path}:1")]);
            }
        }
        assert_eq!(upward("striatum-core/src/run.rs", "use crate::store;").len(), 1);
        assert_eq!(upward("striatum-core/src/store/batch.rs", "use crate::engine::X;").len(), 1);
    }

    #[test]
    fn a_waiting_machine_is_found() {
        let text = "async fn f() {}\n// async is fine in prose\nx.await\nfn g() -> StoreError {}";
        let tree = Tree::of(&[("striatum-core/src/run/decide.rs", text), ("striatum-core/src/run.rs", text)]);
        assert_eq!(places(&impure_run(&tree)).len(), 6);
        let elsewhere = Tree::of(&[("striatum-core/src/engine.rs", text)]);
        assert!(impure_run(&elsewhere).is_empty());
    }
}
