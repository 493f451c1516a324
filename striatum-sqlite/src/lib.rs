//! Embedded durable store for Striatum, on SQLite.
