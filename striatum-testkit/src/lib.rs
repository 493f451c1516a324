//! Conformance suites, scripted agents and clocks for testing Striatum and what builds on it.
