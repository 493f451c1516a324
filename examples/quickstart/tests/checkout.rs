//! The person's checkout is never touched, and what was published can be had from git.

use std::{collections::BTreeMap, fs, path::Path};

use striatum::core::{digest::Digest, run::Event};

use crate::{
    history::History,
    place::{Place, git, git_bytes, run, write},
};

/// Everything of a checkout that is the person's.
fn checkout(folder: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    let file = |name: &str| fs::read(folder.join(name)).unwrap();
    let status = git_bytes(folder, &["status", "--porcelain=v1", "-uall", "--ignored"]);
    BTreeMap::from([
        ("index", file(".git/index")),
        ("HEAD", file(".git/HEAD")),
        ("config", file(".git/config")),
        ("ignored", file("build/out.o")),
        ("main", git_bytes(folder, &["rev-parse", "main"])),
        ("stash", git_bytes(folder, &["stash", "list"])),
        ("status", status),
    ])
}

#[test]
fn the_persons_checkout_is_what_it_was_and_git_has_every_artifact() {
    let place = Place::new();
    let workflow = include_str!("../demo/workflow/workflow.json");
    let mut files =
        vec![("src/a.txt", "a\n"), (".gitignore", "build/\n"), ("workflow/workflow.json", workflow)];
    let referenced =
        ["prompts/draft.md", "prompts/review.md", "prompts/apply.md", "roles/author.md", "roles/reviewer.md"];
    let referenced = referenced.map(|path| format!("workflow/{path}"));
    files.extend(referenced.iter().map(|path| (path.as_str(), "Do it.\n")));
    let repository = place.repository("repository", &files);
    write(&repository.join("build/out.o"), "binary");
    let before = checkout(&repository);

    let mut command = place.marked("", "--verdicts needs_revision,accept");
    command.arg("--repo").arg(&repository);
    run(command).expect_code(0);
    assert_eq!(checkout(&repository), before);
    place.assert_tidy(&repository, "checkout");

    let history = History::read(&place.data());
    let (mut branches, mut last, mut seen) = (BTreeMap::new(), BTreeMap::new(), 0);
    for (id, event) in &history.events {
        match event {
            Event::JobClaimed(e) => {
                let branch =
                    format!("striatum/{id}/{}/{}.{}.{}", e.job, e.attempt, e.epoch, e.session.short());
                branches.insert((e.job.clone(), e.attempt), branch);
            }
            Event::ArtifactPublished(e) => {
                let branch = &branches[&(e.job.clone(), e.attempt)];
                let bytes = git_bytes(&repository, &["show", &format!("{branch}:{}", e.path)]);
                assert_eq!(Digest::of(&bytes), e.content.digest, "{branch}:{}", e.path);
                last.insert(e.path.clone(), e.content.digest);
                seen += 1;
            }
            _ => {}
        }
    }
    assert_eq!((seen, last.len()), (5, 3));
    for (path, digest) in last {
        let bytes = git_bytes(&repository, &["show", &format!("striatum/greeting:{path}")]);
        assert_eq!(Digest::of(&bytes), digest, "{path}");
    }
    assert!(git(&repository, &["fsck", "--strict"]).is_empty());
}
