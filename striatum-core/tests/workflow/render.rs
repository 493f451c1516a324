//! Pictures are as they were, and no name breaks out of its label.
//!
//! With `STRIATUM_GOLDEN=write` the pictures are written anew.
#![allow(clippy::disallowed_methods, reason = "tests write the pictures when they are asked to")]

use std::{fs, path::Path};

use striatum_core::workflow::{JobBuilder, LaneBuilder, Rules, Workflow};

use super::mistakes::{BASE, WHOLE};

fn compare(name: &str, picture: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workflow/render").join(name);
    if std::env::var("STRIATUM_GOLDEN").is_ok_and(|mode| mode == "write") {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, picture).unwrap();
    }
    assert_eq!(picture, fs::read_to_string(&file).unwrap(), "{name}");
}

#[test]
fn a_workflow_is_drawn_as_it_was() {
    for (name, json) in [("base", BASE), ("whole", WHOLE)] {
        let workflow = Workflow::parse(json.as_bytes(), &Rules::default()).unwrap().workflow;
        compare(&format!("{name}.mmd"), &workflow.to_mermaid());
        compare(&format!("{name}.dot"), &workflow.to_dot());
    }
}

#[test]
fn no_title_is_taken_for_syntax() {
    let title = "\"] end;\nsubgraph \\x [<b>#35;`%%";
    let job = JobBuilder::draft("end").by("r", "l").objective("Do it.").title(title);
    let lane = LaneBuilder::process(["x"]);
    let workflow =
        Workflow::builder("w").lane("l", lane).role("r", "Works.").job(job).build().unwrap().workflow;
    let mermaid = workflow.to_mermaid();
    let label = "#34;#93; end#59; subgraph #92;x #91;#60;b#62;#35;35#59;#96;#37;#37;";
    assert_eq!(mermaid.lines().nth(1), Some(&*format!("  j0(\"{label}<br/>draft, l\"):::l0")));
    assert_eq!(mermaid.lines().count(), 3);
    let dot = workflow.to_dot();
    assert!(dot.contains(r#"label="\"] end; subgraph \\x [<b>#35;`%%\ndraft, l""#), "{dot}");
}
