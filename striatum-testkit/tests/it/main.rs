//! The suite over the store in memory, and the proof that the suite notices broken stores.

mod broken;
#[cfg(test)]
mod documents;
mod faulty;
mod list;
#[cfg(feature = "llm")]
mod llm;
mod memory;
mod mutants;
#[cfg(test)]
mod simulation;
