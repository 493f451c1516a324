//! Fan-in on objects.

use striatum_core::id::CommitId;
use striatum_workspace::Merged;

use crate::fixture::{Outcome, Person, stamp};

fn on(person: &Person, base: &CommitId, path: &str, text: &str) -> Outcome<CommitId> {
    person.git(&["checkout", "-q", "--detach", base.as_str()])?;
    person.write(path, text)?;
    person.commit_all(path)
}

#[tokio::test]
async fn one_commit_is_itself_and_what_is_contained_adds_nothing() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let base = repository.head().await?;
    let on_top = on(&person, &base, "a", "1")?;
    for commits in [vec![&on_top], vec![&base, &on_top], vec![&on_top, &base], vec![&on_top, &on_top]] {
        let commits: Vec<_> = commits.into_iter().cloned().collect();
        assert_eq!(
            repository.merge(&commits, &stamp()).await?,
            Merged::Commit(on_top.clone()),
            "{commits:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_merge_made_again_is_the_same_and_the_checkout_stays() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let base = repository.head().await?;
    let mut sides = Vec::new();
    for name in ["a", "b", "c"] {
        sides.push(on(&person, &base, name, name)?);
    }
    let before = person.checkout()?;
    let merged = repository.merge(&sides, &stamp()).await?;
    assert_eq!(repository.merge(&sides, &stamp()).await?, merged);
    let Merged::Commit(merged) = merged else { return Err("a conflict".into()) };
    assert_eq!(repository.manifest(&base, &merged).await?.paths().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(person.checkout()?, before);
    Ok(())
}

#[tokio::test]
async fn a_conflict_names_its_paths() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let base = repository.head().await?;
    let left = on(&person, &base, "README.md", "left\n")?;
    let right = on(&person, &base, "README.md", "right\n")?;
    let conflict = Merged::Conflict { paths: vec!["README.md".to_owned()] };
    assert_eq!(repository.merge(&[left, right], &stamp()).await?, conflict);
    Ok(())
}
