//! An orchestrator of your own on striatum-core and a store.

fn main() {}
