//! The transport against scripted agents. Time is tokio's, and passes only while all wait for it.
#![allow(clippy::disallowed_methods, reason = "tests read and write their own files")]

// The attribute lets clippy see that helpers are test code too.
#[cfg(test)]
mod agent;
#[cfg(test)]
mod broken;
#[cfg(test)]
mod choices;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod handshake;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod permission;
#[cfg(test)]
mod preflight;
#[cfg(test)]
mod resuming;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod turns;
#[cfg(test)]
mod usage;
