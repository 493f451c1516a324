//! Lists in pieces.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use striatum_core::{store::PageToken, time::Timestamp};

use super::problem::{Fault, Problem};

/// How many items a page has if nothing is said.
const USUAL: usize = 50;
/// How many items a page has at most.
const MOST: usize = 200;

/// Part of a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Page<T> {
    /// The items, in the order of the list.
    pub(super) items: Vec<T>,
    /// What to give as `after` to read on; nothing at the end of the list.
    pub(super) next: Option<String>,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub(super) struct Part {
    /// Only items behind this place: the `next` of the page before.
    #[serde(default)]
    pub(super) after: Option<String>,
    /// At most this many items, 1 to 200; 50 unless given.
    #[serde(default)]
    pub(super) limit: Option<u32>,
}

impl Part {
    /// At most how many items are wanted.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        match self.limit {
            None => Ok(USUAL),
            Some(limit) if (1..=MOST).contains(&(limit as usize)) => Ok(limit as usize),
            Some(limit) => {
                Err(Problem::new(Fault::Invalid, format!("limit is {limit}; it may be 1 to {MOST}")))
            }
        }
    }

    /// The page of a list whose items have keys that grow along it and stay as they are.
    pub(super) fn of<T>(&self, list: impl Iterator<Item = ((u64, u64), T)>) -> Result<Page<T>, Problem> {
        let limit = self.limit()?;
        let after = self.after.as_deref().map(|text| pair(text).ok_or_else(|| foreign(text))).transpose()?;
        let mut behind = list.filter(|(key, _)| after.is_none_or(|after| *key > after));
        let mut items = Vec::new();
        let mut last = None;
        for (key, item) in behind.by_ref().take(limit) {
            items.push(item);
            last = Some(key);
        }
        let next = behind.next().and(last).map(|(one, two)| format!("{one}.{two}"));
        Ok(Page { items, next })
    }

    /// The place behind which runs are listed.
    pub(super) fn after_run(&self) -> Result<Option<PageToken>, Problem> {
        let read = |text: &String| {
            let (at, run) = text.split_once('.')?;
            Some(PageToken { created_at: Timestamp::from_micros(at.parse().ok()?), run: run.parse().ok()? })
        };
        self.after.as_ref().map(|text| read(text).ok_or_else(|| foreign(text))).transpose()
    }
}

/// A place in the list of runs, as a cursor.
pub(super) fn run_cursor(token: &PageToken) -> String {
    format!("{}.{}", token.created_at.as_micros(), token.run)
}

fn pair(text: &str) -> Option<(u64, u64)> {
    let (one, two) = text.split_once('.')?;
    Some((one.parse().ok()?, two.parse().ok()?))
}

pub(super) fn foreign(text: &str) -> Problem {
    Problem::new(
        Fault::Invalid,
        format!("{text:?} is no cursor of this list; give the `next` of the page before"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(after: Option<&str>, limit: Option<u32>) -> Result<Page<u64>, Problem> {
        let part = Part { after: after.map(str::to_owned), limit };
        part.of((0..5).map(|n| ((n, 0), n)))
    }

    #[test]
    fn pages_one_behind_the_other_are_the_list() {
        let first = page(None, Some(2)).unwrap();
        assert_eq!((first.items, first.next.as_deref()), (vec![0, 1], Some("1.0")));
        let second = page(Some("1.0"), Some(3)).unwrap();
        assert_eq!((second.items, second.next), (vec![2, 3, 4], None));
    }

    #[test]
    fn a_cursor_of_another_list_and_an_empty_page_are_refused() {
        for (after, limit) in [(Some("x"), None), (None, Some(0)), (None, Some(201))] {
            assert_eq!(page(after, limit).unwrap_err().code(), "request_invalid");
        }
    }
}
