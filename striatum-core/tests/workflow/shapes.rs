//! The shapes are sound, and the starter documents are what they give.
//!
//! With `STRIATUM_GOLDEN=write` the starter documents are written anew.
#![allow(clippy::disallowed_methods, reason = "tests write the starter documents when they are asked to")]

use std::{collections::BTreeSet, fs, path::Path};

use striatum_core::{
    id::WorkflowId,
    workflow::{Analysis, Rules, Shape, Validated, Way, Workflow},
};

use crate::support::{repository_file, repository_folder};

fn read(shape: Shape, document: &str) -> Workflow {
    let rules = Rules::strict();
    let validated = Workflow::parse(document.as_bytes(), &rules);
    let Validated { workflow, warnings, .. } =
        validated.unwrap_or_else(|findings| panic!("{shape}: {findings}"));
    assert_eq!(warnings, [], "{shape}");
    workflow
}

#[test]
fn every_shape_is_clean_whatever_the_id_and_has_its_files() {
    for &shape in Shape::ALL {
        for (id, root) in [("a", ""), ("Long.name-2", "flows/it/"), ("minimal", ".")] {
            let scaffold = shape.generate(&WorkflowId::new(id).unwrap(), root);
            let workflow = read(shape, &scaffold.document);
            assert_eq!(
                (workflow.workflow_id.as_str(), workflow.shape.as_deref()),
                (id, Some(shape.as_str()))
            );
            let prefix = if root.starts_with("flows") { "flows/it/" } else { "" };
            let wanted = workflow.referenced_files().map(|file| format!("{prefix}{}", file.path));
            let wanted: BTreeSet<_> = wanted.chain([format!("{prefix}workflow.json")]).collect();
            let given: BTreeSet<_> = scaffold.files.iter().map(|file| file.path.clone()).collect();
            assert_eq!(given, wanted, "{shape}");
            assert!(scaffold.files.iter().all(|file| !file.text.contains("{{") && file.text.ends_with('\n')));
        }
        assert_eq!(Shape::named(shape.as_str()), Some(shape));
    }
    assert_eq!(Shape::named("round"), None);
}

#[test]
fn the_starter_documents_are_what_the_shapes_give() {
    for &shape in Shape::ALL {
        let id = WorkflowId::new(shape.as_str()).unwrap();
        for file in shape.generate(&id, &format!("examples/workflows/{shape}")).files {
            if std::env::var("STRIATUM_GOLDEN").is_ok_and(|mode| mode == "write") {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&file.path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, &file.text).unwrap();
            }
            assert_eq!(repository_file(&file.path), file.text, "{}", file.path);
        }
    }
    let names: BTreeSet<_> = Shape::ALL.iter().map(|shape| shape.as_str().to_owned()).collect();
    assert_eq!(repository_folder("examples/workflows").into_iter().collect::<BTreeSet<_>>(), names);
}

#[test]
fn a_starter_document_has_a_cohort_of_three_and_another_a_support_ledger() {
    let generate = |shape: Shape| read(shape, &shape.generate(&WorkflowId::new("w").unwrap(), "").document);
    let panel = generate(Shape::MultiReviewSynthesis);
    let seats: BTreeSet<_> =
        panel.cycles.iter().filter(|way| way.to.as_str() == "draft").map(|way| way.from.as_str()).collect();
    assert_eq!(seats.len(), 3);
    let backed = generate(Shape::EvidenceBacked);
    let mut artifacts = backed.jobs.iter().flat_map(|job| &job.expected_artifacts);
    assert!(artifacts.any(|artifact| artifact.kind == "support_ledger"));
}

#[test]
fn every_verdict_of_a_shape_leads_somewhere() {
    for &shape in Shape::ALL {
        let workflow = read(shape, &shape.generate(&WorkflowId::new("w").unwrap(), "").document);
        let analysis = Analysis::of(&workflow).unwrap();
        for (job, spec) in workflow.jobs.iter().enumerate() {
            let ways = analysis.ways(job);
            assert_eq!(ways.is_some(), spec.kind.is_verdict_capable());
            assert!(
                ways.is_none_or(|ways| ways.has_exit() && matches!(ways.needs_revision, Way::Back { .. }))
            );
        }
    }
}
