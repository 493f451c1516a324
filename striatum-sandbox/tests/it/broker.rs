//! The broker of a model, between a client that sends what it likes and a host that answers what it likes.

mod budgets;
mod faults;
mod gate;
mod host;
mod passing;
mod scene;
mod silence;
