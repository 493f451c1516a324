//! The rules, and how they are run.
//!
//! A rule is a function of the [`Tree`]: it reads no file and so is tested on trees made in memory. Every rule
//! has a test that shows it failing.

mod complaint;
mod confined;
mod dependencies;
mod forgotten;
mod layers;
mod length;
mod links;
mod manifest;
mod members;
mod source;
mod tree;
mod unfinished;

use std::path::Path;
use std::process::ExitCode;

use complaint::Complaint;
use tree::Tree;

type Rule = fn(&Tree) -> Vec<Complaint>;

const RULES: &[Rule] = &[
    layers::upward_references,
    layers::impure_run,
    dependencies::between_our_crates,
    dependencies::heavy_core,
    confined::hashing,
    confined::sql,
    confined::event_encoding,
    length::too_long,
    unfinished::mod_files,
    unfinished::placeholders,
    unfinished::ignored_doc_examples,
    unfinished::outside_material,
    forgotten::files,
    forgotten::doubled_tests,
    members::left_out,
    members::without_lints,
    links::dangling,
];

/// Prints every complaint about the workspace at `root`, and fails if there is one.
pub(crate) fn run(root: &Path) -> ExitCode {
    let tree = match Tree::read(root) {
        Ok(tree) => tree,
        Err(error) => {
            eprintln!("tidy: {error}");
            return ExitCode::FAILURE;
        }
    };
    for note in length::notes(&tree) {
        println!("note: {note}");
    }
    let complaints: Vec<Complaint> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    if !complaints.is_empty() {
        eprintln!("tidy: {} complaints", complaints.len());
        return ExitCode::FAILURE;
    }
    println!("tidy: {} rules hold over {} files", RULES.len(), tree.len());
    ExitCode::SUCCESS
}
