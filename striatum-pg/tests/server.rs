//! A database for the tests: an owner, a runtime role, and a schema for each.

use striatum_core::{
    chain::Position,
    id::{ChainId, RunId},
    store::{ChainMeta, Store, StoreExt},
};
use striatum_pg::{Config, Hardening, PgStore};
use striatum_testkit::{
    fixture,
    pg::{self, ClusterError},
    store::Place,
};
use tokio_postgres::{Client, NoTls};

/// Owns the schemas.
pub(crate) const OWNER: &str = "striatum_owner";

/// May use the stores, and log in.
pub(crate) const RUNTIME: &str = "striatum_app";

/// How to connect to the tests' server; without Postgres binaries, says so.
pub(crate) fn address() -> Option<&'static str> {
    found(pg::shared().map_err(|error| match error {
        ClusterError::NoBinaries => ClusterError::NoBinaries,
        error => ClusterError::Failed(error.to_string()),
    }))
}

/// What needs Postgres binaries, or nothing and a word about it.
pub(crate) fn found<T>(what: Result<T, ClusterError>) -> Option<T> {
    match what {
        Ok(found) => Some(found),
        Err(missing @ ClusterError::NoBinaries) => {
            pg::skip(&missing);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A schema with a store in it.
#[derive(Clone)]
pub(crate) struct Schema {
    pub(crate) address: String,
    pub(crate) name: String,
}

impl Schema {
    /// One that nobody has used, migrated; nothing without Postgres binaries.
    pub(crate) async fn new() -> Option<Self> {
        Some(Self::on(address()?).await)
    }

    /// The same on another server.
    pub(crate) async fn on(address: &str) -> Self {
        let schema = Self::empty(address).await;
        PgStore::migrate(&schema.config(OWNER)).await.unwrap();
        schema
    }

    /// One in which there is nothing.
    pub(crate) async fn empty(address: &str) -> Self {
        roles(address).await;
        Self { address: address.to_owned(), name: Place::unused().as_str().to_owned() }
    }

    /// The same schema of another server, or on another way.
    pub(crate) fn at(&self, address: String) -> Self {
        Self { address, name: self.name.clone() }
    }

    pub(crate) fn config(&self, role: &str) -> Config {
        let config = Config::new(&format!("{} user={role}", self.address)).unwrap();
        config.schema(&self.name).unwrap().runtime_role(RUNTIME).unwrap()
    }

    pub(crate) fn runtime(&self) -> Config {
        self.config(RUNTIME).hardening(Hardening::Require)
    }

    /// A store with the chain `main`.
    pub(crate) async fn store(&self) -> PgStore {
        let store = PgStore::connect(&self.runtime()).await.unwrap();
        store.open_chain(&chain(), &ChainMeta::default()).await.unwrap();
        store
    }

    /// A connection of this role, whose search path is the schema.
    pub(crate) async fn client(&self, role: &str) -> Client {
        let client = client(&self.address, role).await;
        client.batch_execute(&format!("SET search_path = {}, pg_temp", self.name)).await.unwrap();
        client
    }

    /// Moves the clock of the store.
    pub(crate) async fn set_clock_ahead(&self, micros: i64) {
        self.set_clock(&format!("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint + {micros}"))
            .await;
    }

    /// Makes the clock of the store show something else.
    pub(crate) async fn set_clock(&self, expression: &str) {
        let clock = format!(
            "CREATE OR REPLACE FUNCTION clock() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT {expression}::bigint $$"
        );
        self.client(OWNER).await.batch_execute(&clock).await.unwrap();
    }
}

pub(crate) fn chain() -> ChainId {
    fixture::chain("main")
}

/// A run, of more than [`fixture::run`] knows.
pub(crate) fn wide(number: u64) -> RunId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    RunId::from_bytes(id)
}

pub(crate) async fn verify(store: &PgStore) -> Position {
    store.verify(&chain(), None, |_| {}).await.unwrap()
}

/// A connection of this role.
pub(crate) async fn client(address: &str, role: &str) -> Client {
    let (client, connection) =
        tokio_postgres::connect(&format!("{address} user={role}"), NoTls).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    client
}

/// Makes the two roles, once for a server.
async fn roles(address: &str) {
    let roles = format!(
        "SELECT pg_advisory_xact_lock(1);
         DO $$ BEGIN
             IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OWNER}') THEN
                 CREATE ROLE {OWNER} LOGIN;
                 CREATE ROLE {RUNTIME} LOGIN;
                 EXECUTE format('GRANT CREATE ON DATABASE %I TO {OWNER}', current_database());
             END IF;
         END $$"
    );
    client(address, "postgres").await.batch_execute(&roles).await.unwrap();
}
