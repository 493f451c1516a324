//! What the Postgres store promises beyond the port: roles, lost connections, crashes, several processes.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod server;
