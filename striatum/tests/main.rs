//! The facade, seen from outside.
#![allow(clippy::disallowed_methods, reason = "tests read and write their own files")]

// The attribute lets clippy see that helpers are test code too.
#[cfg(test)]
mod acp;
#[cfg(test)]
mod asking;
#[cfg(test)]
mod command;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod delivery;
#[cfg(test)]
#[cfg(feature = "server")]
mod dry_runs;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod faulty;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod idle;
#[cfg(test)]
mod interrogation;
#[cfg(test)]
mod joining;
#[cfg(test)]
mod lane_agents;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod missing;
#[cfg(test)]
#[cfg(feature = "broker")]
mod models;
#[cfg(test)]
mod notify;
#[cfg(test)]
#[cfg(feature = "server")]
mod operators;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod pace;
#[cfg(test)]
mod panels;
#[cfg(test)]
#[cfg(feature = "server")]
mod pulling;
#[cfg(test)]
#[cfg(feature = "pg")]
mod requests;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod secrets;
#[cfg(test)]
#[cfg(feature = "server")]
mod webhook;
