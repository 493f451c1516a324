//! The example does what it says, whoever is killed.

#[cfg(test)]
mod swarm;
