//! Tests of trees, submissions and delivery against a real git.

mod agents;
mod blobs;
mod crashes;
mod cycle;
mod deliveries;
mod fixture;
mod histories;
mod hostile;
mod kinds;
mod merges;
mod person;
