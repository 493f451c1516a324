//! The interface for operators, asked without a network: requests go to the router itself.

mod audit;
mod authority;
mod bench;
mod events;
mod routes;
mod tools;
