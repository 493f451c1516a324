//! Runs coding agents as real workflows: the facade of Striatum with a ready orchestrator.

pub mod command;
