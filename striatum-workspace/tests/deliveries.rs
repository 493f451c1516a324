//! The one move of a run's branch.

use striatum_core::id::CommitId;
use striatum_workspace::{BranchName, Delivered, Delivery, Repository};

use crate::fixture::{Outcome, Person, code, stamp};

async fn three(person: &Person) -> Outcome<(Repository, [CommitId; 3])> {
    let repository = person.open().await?;
    let first = repository.head().await?;
    person.write("second", "2")?;
    let second = person.commit_all("second")?;
    person.git(&["checkout", "-q", "-b", "side", first.as_str()])?;
    person.write("third", "3")?;
    let third = person.commit_all("third")?;
    Ok((repository, [first, second, third]))
}

fn delivery(branch: &str, expected: Option<&CommitId>, commit: &CommitId) -> Outcome<Delivery> {
    Ok(Delivery { branch: BranchName::new(branch)?, expected: expected.cloned(), commit: commit.clone() })
}

#[tokio::test]
async fn a_delivery_moves_the_branch_once() -> Outcome {
    let person = Person::new()?;
    let (repository, [first, second, _]) = three(&person).await?;
    let new = delivery("out/x", None, &first)?;
    assert_eq!(repository.deliver(&new).await?, Delivered::Moved);
    assert_eq!(repository.deliver(&new).await?, Delivered::Already);
    let on = delivery("out/x", Some(&first), &second)?;
    assert_eq!(repository.deliver(&on).await?, Delivered::Moved);
    assert_eq!(repository.deliver(&on).await?, Delivered::Already);
    person.git(&["pack-refs", "--all"])?;
    assert_eq!(repository.deliver(&on).await?, Delivered::Already);
    assert_eq!(person.git(&["rev-parse", "out/x"])?, second.as_str());
    Ok(())
}

#[tokio::test]
async fn a_branch_that_moved_is_not_overwritten() -> Outcome {
    let person = Person::new()?;
    let (repository, [first, second, third]) = three(&person).await?;
    person.git(&["branch", "out", second.as_str()])?;
    for expected in [None, Some(&first)] {
        let error = repository.deliver(&delivery("out", expected, &third)?).await;
        let text = error.as_ref().map_err(ToString::to_string).err().unwrap_or_default();
        assert!(text.contains(second.as_str()), "{text}");
        assert_eq!(code(error), "branch_moved");
    }
    assert_eq!(code(repository.deliver(&delivery("gone", Some(&first), &third)?).await), "branch_moved");
    assert_eq!(code(repository.deliver(&delivery("out", Some(&second), &third)?).await), "not_a_descendant");
    assert_eq!(person.git(&["rev-parse", "out"])?, second.as_str());
    Ok(())
}

#[tokio::test]
async fn a_branch_that_is_checked_out_anywhere_is_not_moved() -> Outcome {
    let person = Person::new()?;
    let (repository, [first, second, _]) = three(&person).await?;
    let merged = match repository.merge(&[second.clone(), repository.head().await?], &stamp()).await? {
        striatum_workspace::Merged::Commit(commit) => commit,
        conflict => return Err(format!("{conflict:?}").into()),
    };
    let side = BranchName::new("side")?;
    assert_eq!(repository.checked_out(&side).await?.as_deref(), Some(person.root()));
    let here = delivery("side", Some(&repository.head().await?), &merged)?;
    assert_eq!(code(repository.deliver(&here).await), "branch_checked_out");
    let elsewhere = person.beside("else where");
    person.git(&["worktree", "add", "-q", "-b", "linked", &elsewhere.to_string_lossy(), first.as_str()])?;
    let there = delivery("linked", Some(&first), &second)?;
    assert_eq!(code(repository.deliver(&there).await), "branch_checked_out");
    let found = repository.checked_out(&there.branch).await?.ok_or("not checked out")?;
    assert_eq!(found.canonicalize()?, elsewhere.canonicalize()?);
    person.git(&["worktree", "remove", &elsewhere.to_string_lossy()])?;
    assert_eq!(repository.deliver(&there).await?, Delivered::Moved);
    Ok(())
}

#[tokio::test]
async fn of_many_deliveries_at_once_one_moves_the_branch() -> Outcome {
    let person = Person::new()?;
    let (repository, [first, second, third]) = three(&person).await?;
    repository.deliver(&delivery("out", None, &first)?).await?;
    let (a, b) = (delivery("out", Some(&first), &second)?, delivery("out", Some(&first), &third)?);
    let (a, b) = tokio::join!(repository.deliver(&a), repository.deliver(&b));
    assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1, "{a:?} {b:?}");
    let refused = if a.is_ok() { b } else { a };
    assert_eq!(code(refused), "branch_moved");
    Ok(())
}
