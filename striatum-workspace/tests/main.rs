//! Tests against a real git.
