//! Verifies a Striatum store offline and explains what it found.

fn main() {}
