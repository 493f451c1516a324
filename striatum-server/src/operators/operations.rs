//! Everything that an operator can do.

use super::operation::Operation;

mod people;
mod reading;
mod repository;
mod steering;
mod tokens;

/// The operations, in the order of the OpenAPI document.
pub(super) fn all() -> Vec<Operation> {
    [
        repository::operations(),
        reading::operations(),
        steering::operations(),
        people::operations(),
        tokens::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
