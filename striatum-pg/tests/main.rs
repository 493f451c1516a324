//! What the Postgres store promises beyond the port: roles, lost connections, crashes, several processes.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod connection;
#[cfg(test)]
mod crash;
#[cfg(test)]
#[path = "../../striatum-testkit/tests/it/documents.rs"]
mod documents;
#[cfg(test)]
mod engines;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod growth;
#[cfg(test)]
mod listening;
#[cfg(test)]
mod log;
#[cfg(test)]
mod pooler;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod server;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tls;
