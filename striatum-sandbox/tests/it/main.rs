//! Agents that are real processes.

// Modules of a test, so that clippy lets `expect` pass in their helpers.
#[cfg(test)]
#[cfg(target_os = "linux")]
mod bad_input;
#[cfg(test)]
mod broken;
#[cfg(test)]
#[cfg(feature = "broker")]
mod broker;
#[cfg(test)]
mod conformance;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod containers;
#[cfg(test)]
#[cfg(feature = "egress")]
mod egress;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod environment;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod escapes;
#[cfg(test)]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod machines;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod reaping;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod support;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod walls;
