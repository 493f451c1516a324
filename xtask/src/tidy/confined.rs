//! Knowledge that lives in one place: hashing, SQL, the encoding of events.

use super::complaint::Complaint;
use super::tree::{Tree, is_test};

/// The store crates; the benches, which compare them with bare statements; and this package, whose rules must spell what they
/// look for.
const SQL_PLACES: &[&str] = &["striatum-sqlite/", "striatum-pg/", "benches/", "xtask/"];
/// What SHA-256 alone does is what verifying is compared with.
const BENCHES: &str = "benches/";
/// The seal of tokens is keyed, and says nothing about content.
const SEAL: &str = "striatum-server/src/authority/seal.rs";
const HASHING_PLACES: &[&str] = &["digest.rs", "digest/", "chain.rs", "chain/"];
const ENCODERS: &[&str] =
    &["to_vec", "to_vec_pretty", "to_string", "to_string_pretty", "to_writer", "to_writer_pretty"];

/// SHA-256 outside the modules that define digests and the chain.
///
/// Tests are free to compute a digest by themselves: an independent second opinion is worth having.
pub(crate) fn hashing(tree: &Tree) -> Vec<Complaint> {
    let remedy = "use the digest types of striatum-core: a second place that hashes is a second definition";
    let mut complaints = Vec::new();
    for source in tree.sources().filter(|source| !is_test(source.path) && !may_hash(source.path)) {
        for line in source.lines_with("sha2") {
            complaints.push(Complaint::new(source.path, line, "SHA-256 is used here directly", remedy));
        }
    }
    let may_depend = |manifest: &super::manifest::Manifest<'_>| {
        matches!(manifest.package(), Some("striatum-core" | "striatum-server"))
            || manifest.path.starts_with(BENCHES)
    };
    for manifest in tree.manifests().filter(|manifest| !may_depend(manifest)) {
        let product = |d: &super::manifest::Dependency| d.use_ == super::manifest::Use::Product;
        for dependency in manifest.dependencies().iter().filter(|d| product(d) && d.name == "sha2") {
            complaints.push(Complaint::new(
                manifest.path,
                dependency.line,
                "this package depends on `sha2`",
                remedy,
            ));
        }
    }
    complaints
}

/// SQL outside the store crates; tests may look into a store from outside.
pub(crate) fn sql(tree: &Tree) -> Vec<Complaint> {
    let allowed = |path: &str| is_test(path) || SQL_PLACES.iter().any(|place| path.starts_with(place));
    let mut complaints = Vec::new();
    for source in tree.sources().filter(|source| !allowed(source.path)) {
        for literal in source.literals.iter().filter(|literal| is_sql(&literal.text)) {
            let remedy = "say it through the `Store` port, and keep the statement in the store crate";
            complaints.push(Complaint::new(source.path, literal.line, "SQL outside a store crate", remedy));
        }
    }
    complaints
}

/// JSON written by the run machine outside its codec.
pub(crate) fn event_encoding(tree: &Tree) -> Vec<Complaint> {
    let in_run =
        |path: &str| path.starts_with("striatum-core/src/run/") || path == "striatum-core/src/run.rs";
    let codec = |path: &str| path.starts_with("striatum-core/src/run/codec");
    let mut complaints = Vec::new();
    for source in tree.sources().filter(|s| in_run(s.path) && !codec(s.path) && !is_test(s.path)) {
        for encoder in ENCODERS {
            for line in source.lines_with(&format!("serde_json::{encoder}")) {
                let what = format!("`serde_json::{encoder}` outside the codec");
                let remedy = "encode in run/codec.rs: the bytes written there are what is hashed and stored";
                complaints.push(Complaint::new(source.path, line, what, remedy));
            }
        }
    }
    complaints
}

fn may_hash(path: &str) -> bool {
    if path.starts_with(BENCHES) || path == SEAL {
        return true;
    }
    let inside = path.strip_prefix("striatum-core/src/");
    inside.is_some_and(|inside| HASHING_PLACES.iter().any(|place| inside.starts_with(place)))
}

/// A lower-case `select` is English more often than SQL, so it counts only at the head of a statement.
fn is_sql(literal: &str) -> bool {
    let lower = literal.trim_start().to_lowercase();
    literal.contains("SELECT ")
        || (lower.starts_with("select ") && lower.contains(" from "))
        || ["insert into ", "create table ", "delete from "].iter().any(|phrase| lower.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::super::complaint::places;
    use super::*;

    const USES_SHA2: &str = "\nuse sha2::Sha256;";

    #[test]
    fn hashing_elsewhere_is_found() {
        let of = |path| places(&hashing(&Tree::of(&[(path, USES_SHA2)])));
        assert_eq!(of("striatum-core/src/run/codec.rs"), ["striatum-core/src/run/codec.rs:2"]);
        assert_eq!(of("striatum-workspace/src/blobs.rs"), ["striatum-workspace/src/blobs.rs:2"]);
        for allowed in [
            "striatum-core/src/digest.rs",
            "striatum-core/src/chain/seal.rs",
            "striatum/tests/main.rs",
            "benches/src/verify.rs",
        ] {
            assert!(of(allowed).is_empty(), "{allowed}");
        }
    }

    #[test]
    fn a_package_that_could_hash_is_found() {
        let text = "[package]\nname = \"striatum-workspace\"\n[dependencies]\nsha2.workspace = true";
        assert_eq!(places(&hashing(&Tree::of(&[("w/Cargo.toml", text)]))), ["w/Cargo.toml:4"]);
        let core = text.replace("striatum-workspace", "striatum-core");
        assert!(hashing(&Tree::of(&[("c/Cargo.toml", &core)])).is_empty());
    }

    #[test]
    fn sql_outside_a_store_is_found() {
        for statement in ["SELECT 1", "select a from b", "insert into a values (1)", "CREATE TABLE a (b)"] {
            let text = format!("f(\n  \"{statement}\")");
            let of = |path| places(&sql(&Tree::of(&[(path, &text)])));
            assert_eq!(of("striatum/src/orchestrator.rs"), ["striatum/src/orchestrator.rs:2"], "{statement}");
            assert!(of("striatum-sqlite/src/append.rs").is_empty());
            assert!(of("benches/src/bare.rs").is_empty());
            assert!(of("striatum/tests/tamper.rs").is_empty());
        }
    }

    #[test]
    fn prose_is_not_sql() {
        let text = "// SELECT 1\nf(\"select a job\", \"jobs to select from\", \"deleted\")";
        assert!(sql(&Tree::of(&[("striatum/src/lib.rs", text)])).is_empty());
    }

    #[test]
    fn encoding_outside_the_codec_is_found() {
        for encoder in ENCODERS {
            let text = format!("\nlet x = serde_json::{encoder}(&event);");
            let of = |path| places(&event_encoding(&Tree::of(&[(path, &text)])));
            assert_eq!(of("striatum-core/src/run/packet.rs"), ["striatum-core/src/run/packet.rs:2"]);
            assert!(of("striatum-core/src/run/codec.rs").is_empty());
            assert!(of("striatum-core/src/workflow/render.rs").is_empty());
        }
    }
}
