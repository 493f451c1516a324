//! A repository, and an agent, that want host git to run their programs.

use std::{fs, os::unix::fs::symlink, path::Path};

use striatum_core::id::CommitId;
use striatum_workspace::{BranchName, Delivery};

use crate::fixture::{Outcome, Person, code, git_in, grant, make_executable, put, show, stamp};

const HOOKS: &[&str] = &[
    "applypatch-msg",
    "commit-msg",
    "fsmonitor-watchman",
    "post-applypatch",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-receive",
    "post-rewrite",
    "post-update",
    "pre-applypatch",
    "pre-auto-gc",
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "pre-rebase",
    "pre-receive",
    "prepare-commit-msg",
    "proc-receive",
    "push-to-checkout",
    "reference-transaction",
    "sendemail-validate",
    "update",
];

const ATTRIBUTES: &str =
    "* filter=evil diff=evil merge=evil text eol=crlf ident working-tree-encoding=latin-1\n";

/// Puts every way that we know to have git run a program into a git folder; each would leave a file among the canaries.
pub(crate) fn booby_trap(git_dir: &Path, canaries: &Path) -> Outcome {
    fs::create_dir_all(canaries)?;
    let trap = |name: &str| format!("touch '{}'", canaries.join(name).display());
    for hook in HOOKS {
        let path = git_dir.join("hooks").join(hook);
        put(git_dir, &format!("hooks/{hook}"), format!("#!/bin/sh\n{}\n", trap(hook)))?;
        make_executable(&path)?;
    }
    let program = |name: &str| -> Outcome<String> {
        let path = canaries.with_extension(name);
        fs::write(&path, format!("#!/bin/sh\n{}\ncat\n", trap(name)))?;
        make_executable(&path)?;
        Ok(path.display().to_string())
    };
    let config = format!(
        "[core]\n\tfsmonitor = {fsmonitor}\n\tsshCommand = {ssh}\n\tpager = {pager}\n\teditor = {editor}\n\
         \taskPass = {askpass}\n\tgitProxy = {proxy}\n\talternateRefsCommand = {alternate}\n\tautocrlf = true\n\
         \tattributesFile = {attributes}\n\
         [filter \"evil\"]\n\tclean = {clean}\n\tsmudge = {smudge}\n\tprocess = {process}\n\trequired = true\n\
         [diff]\n\texternal = {external}\n[diff \"evil\"]\n\tcommand = {command}\n\ttextconv = {textconv}\n\
         [merge \"evil\"]\n\tdriver = {driver}\n\
         [alias]\n\tcommit-tree = !{alias}\n\tupdate-ref = !{alias}\n\tls-files = !{alias}\n\
         [gpg]\n\tprogram = {gpg}\n[commit]\n\tgpgSign = true\n\
         [credential]\n\thelper = {credential}\n[trace2]\n\teventTarget = {trace}\n\
         [hook \"evil\"]\n\tcommand = {hook}\n\tevent = reference-transaction\n\tevent = post-checkout\n",
        fsmonitor = program("fsmonitor")?,
        ssh = program("ssh")?,
        pager = program("pager")?,
        editor = program("editor")?,
        askpass = program("askpass")?,
        proxy = program("proxy")?,
        alternate = program("alternate")?,
        attributes = canaries.with_extension("attributes").display(),
        clean = program("clean")?,
        smudge = program("smudge")?,
        process = program("process")?,
        external = program("external")?,
        command = program("command")?,
        textconv = program("textconv")?,
        driver = program("driver")?,
        alias = program("alias")?,
        gpg = program("gpg")?,
        credential = program("credential")?,
        trace = canaries.join("trace").display(),
        hook = program("hook")?,
    );
    fs::write(canaries.with_extension("attributes"), ATTRIBUTES)?;
    put(git_dir, "info/attributes", ATTRIBUTES)?;
    let included = canaries.with_extension("config");
    fs::write(&included, &config)?;
    let mut own = fs::read_to_string(git_dir.join("config"))?;
    own.push_str(&config);
    own.push_str(&format!("[include]\n\tpath = {}\n", included.display()));
    own.push_str(&format!("[includeIf \"gitdir:/\"]\n\tpath = {}\n", included.display()));
    Ok(fs::write(git_dir.join("config"), own)?)
}

pub(crate) fn canaries_in(folder: &Path) -> Outcome<Vec<String>> {
    let names =
        fs::read_dir(folder)?.map(|entry| entry.map(|it| it.file_name().to_string_lossy().into_owned()));
    Ok(names.collect::<Result<_, _>>()?)
}

#[tokio::test]
async fn a_whole_cycle_runs_nothing_that_the_repository_or_the_agent_names() -> Outcome {
    let person = Person::new()?;
    person.write("crlf.txt", "one\r\ntwo\n$Id$\n")?;
    person.commit_all("mixed line ends")?;
    person.write(".gitattributes", ATTRIBUTES)?;
    person.git(&["add", ".gitattributes"])?;
    person.git(&["commit", "-q", "-m", "with attributes"])?;
    let base = CommitId::new(person.git(&["rev-parse", "HEAD"])?)?;
    let canaries = person.beside("canaries");
    booby_trap(&person.root().join(".git"), &canaries)?;
    // The traps work: git as people run it falls into some of them.
    git_in(person.root(), &["status"]).ok();
    assert!(!canaries_in(&canaries)?.is_empty(), "the traps are no traps");
    for name in canaries_in(&canaries)? {
        fs::remove_file(canaries.join(name))?;
    }
    let repository = person.open().await?;
    repository.dirty().await?;
    assert_eq!(code(repository.check_filters(&base, &[]).await), "filters_needed");
    repository.check_filters(&base, &["evil".to_owned()]).await?;
    let mut commits = Vec::new();
    for job in ["left", "right"] {
        let tree = repository.open_tree(&grant(job)?, &base).await?;
        assert_eq!(fs::read(tree.path().join("crlf.txt"))?, b"one\r\ntwo\n$Id$\n");
        put(tree.path(), &format!("{job}.txt"), "a\r\nb\n")?;
        put(tree.path(), "README.md", format!("read me\n{job}\n").trim_end_matches("right\n"))?;
        put(tree.path(), "sub/.gitattributes", ATTRIBUTES)?;
        let nested = tree.path().join("nested");
        fs::create_dir_all(&nested)?;
        git_in(&nested, &["init", "-q"])?;
        booby_trap(&nested.join(".git"), &canaries)?;
        put(&nested, "file", "1")?;
        let saved = repository.commit(&tree, "Work").await?;
        assert_eq!(repository.commit(&tree, "Work").await?.commit, saved.commit);
        repository.manifest(&base, &saved.commit).await?;
        assert_eq!(
            repository.read_at(&saved.commit, &format!("{job}.txt")).await?,
            Some(b"a\r\nb\n".to_vec())
        );
        repository.close_tree(&tree).await?;
        commits.push(saved.commit);
    }
    let striatum_workspace::Merged::Commit(merged) = repository.merge(&commits, &stamp()).await? else {
        return Err("a conflict".into());
    };
    let branch = BranchName::new("out")?;
    repository.deliver(&Delivery { branch: branch.clone(), expected: None, commit: merged.clone() }).await?;
    assert_eq!(repository.branch(&branch).await?, Some(merged));
    assert_eq!(canaries_in(&canaries)?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_tree_whose_dot_git_leads_elsewhere_is_committed_without_looking_there() -> Outcome {
    for way in ["a file that names a folder", "a link"] {
        let person = Person::new()?;
        let repository = person.open().await?;
        let base = repository.head().await?;
        let tree = repository.open_tree(&grant("draft")?, &base).await?;
        let (hostile, canaries) = (person.beside("hostile"), person.beside("canaries"));
        fs::create_dir_all(&hostile)?;
        git_in(&hostile, &["init", "-q"])?;
        booby_trap(&hostile.join(".git"), &canaries)?;
        let pointer = tree.path().join(".git");
        fs::remove_dir_all(&pointer)?;
        match way {
            "a link" => symlink(hostile.join(".git"), &pointer)?,
            _ => fs::write(&pointer, format!("gitdir: {}\n", hostile.join(".git").display()))?,
        }
        let locked = hostile.join(".git/index.lock");
        fs::write(&locked, "")?;
        put(tree.path(), "work", "done\n")?;
        let saved = repository.commit(&tree, "Draft").await?;
        assert_eq!(show(person.root(), tree.branch().as_str(), "work")?, b"done\n");
        assert_eq!(repository.manifest(&base, &saved.commit).await?.paths().collect::<Vec<_>>(), ["work"]);
        repository.open_tree(tree.grant(), &base).await?;
        repository.close_tree(&tree).await?;
        assert!(hostile.join(".git/config").exists() && locked.exists() && !tree.path().exists(), "{way}");
        assert_eq!(canaries_in(&canaries)?, [""; 0], "{way}");
    }
    Ok(())
}
