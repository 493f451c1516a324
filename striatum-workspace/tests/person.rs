//! The person's checkout is looked at and never touched; the repository is known again.

use std::{fs, time::Duration};

use striatum_workspace::{Git, Repository};

use crate::fixture::{Outcome, Person, code};

#[tokio::test]
async fn changes_of_every_kind_are_seen_and_nothing_is_touched() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    assert_eq!(repository.dirty().await?, [""; 0]);
    repository.check_clean().await?;
    person.write("README.md", "changed\n")?;
    person.write("staged", "1")?;
    person.git(&["add", "staged"])?;
    person.write("untracked", "1")?;
    person.write("folder/a", "1")?;
    person.write("ignored.tmp", "1")?;
    fs::remove_file(person.root().join("run.sh"))?;
    // The same bytes at another time are no change.
    let touched = fs::File::options().write(true).open(person.root().join("src/main.rs"))?;
    touched.set_modified(touched.metadata()?.modified()? + Duration::from_secs(60))?;
    let before = person.checkout()?;
    assert_eq!(repository.dirty().await?, ["README.md", "folder/", "run.sh", "staged", "untracked"]);
    assert_eq!(code(repository.check_clean().await), "repository_dirty");
    assert_eq!(person.checkout()?, before);
    Ok(())
}

#[tokio::test]
async fn a_change_in_the_second_of_the_commit_is_seen() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    for round in 0..5 {
        person.write("README.md", format!("read m{round}\n"))?;
        person.commit_all("again")?;
        person.write("README.md", format!("READ M{round}\n"))?;
        assert_eq!(repository.dirty().await?, ["README.md"], "{round}");
    }
    Ok(())
}

#[tokio::test]
async fn an_identity_survives_a_move_and_is_not_shared_by_a_copy() -> Outcome {
    let person = Person::new()?;
    let data = person.beside("data");
    let chain = person.open().await?.chain().clone();
    assert_eq!(person.open().await?.chain(), &chain);
    let copy = person.beside("copy");
    let status = std::process::Command::new("cp").arg("-a").arg(person.root()).arg(&copy).status()?;
    assert!(status.success());
    assert_eq!(code(Repository::open(&copy, &data, Git::new()).await), "repository_copied");
    fs::remove_file(copy.join(".git/striatum/repository"))?;
    assert_ne!(Repository::open(&copy, &data, Git::new()).await?.chain(), &chain);
    let moved = person.beside("moved");
    fs::rename(person.root(), &moved)?;
    let repository = Repository::open(&moved, &data, Git::new()).await?;
    assert_eq!(repository.chain(), &chain);
    repository.check_clean().await?;
    Ok(())
}

#[tokio::test]
async fn files_are_read_at_a_commit_whatever_the_checkout_has() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let head = repository.head().await?;
    person.write("README.md", "changed")?;
    assert_eq!(repository.read_at(&head, "README.md").await?, Some(b"read me\n".to_vec()));
    for absent in ["absent", "src", "link", "src/absent", "README.md/x"] {
        assert_eq!(repository.read_at(&head, absent).await?, None, "{absent}");
    }
    for odd in ["../x", "/etc/passwd", "src/", "./README.md", ""] {
        assert_eq!(code(repository.read_at(&head, odd).await), "odd_path", "{odd}");
    }
    person.write("big", vec![0; (16 << 20) + 1])?;
    let big = person.commit_all("big")?;
    assert_eq!(code(repository.read_at(&big, "big").await), "file_too_large");
    Ok(())
}
