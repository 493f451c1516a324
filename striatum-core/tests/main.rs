//! The core, seen from outside.

// The attribute lets clippy see that helpers are test code too.
#[cfg(test)]
mod document;
#[cfg(test)]
mod drive;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod play;
#[cfg(test)]
mod rehearsal;
#[cfg(test)]
mod support;
#[cfg(test)]
mod workflow;
