//! Where agent processes of Striatum run.
