//! Tidy checks of the Striatum workspace.

fn main() {}
