//! A database for the tests: an owner, a runtime role, and schemas of their own.

use striatum_pg::Config;
use striatum_testkit::pg;
use tokio_postgres::{Client, NoTls};

/// Owns the schemas.
pub(crate) const OWNER: &str = "striatum_owner";

/// May use the stores, and log in.
pub(crate) const RUNTIME: &str = "striatum_app";

/// How to connect to the tests' server; without Postgres binaries, says so.
pub(crate) fn address() -> Option<&'static str> {
    match pg::shared() {
        Ok(address) => Some(address),
        Err(missing @ pg::ClusterError::NoBinaries) => {
            pg::skip(missing);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A connection of this role, whose search path is one schema.
pub(crate) async fn client(address: &str, role: &str, schema: &str) -> Client {
    let address = format!("{address} user={role}");
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    client.batch_execute(&format!("SET search_path = {schema}, pg_temp")).await.unwrap();
    client
}

/// A store's configuration, as this role sees it.
pub(crate) fn config(address: &str, role: &str, schema: &str) -> Config {
    let config = Config::new(&format!("{address} user={role}")).unwrap();
    config.schema(schema).unwrap().runtime_role(RUNTIME).unwrap()
}

/// Makes the two roles, once for the server.
pub(crate) async fn roles(address: &str) {
    let server = client(address, "postgres", "public").await;
    let roles = format!(
        "SELECT pg_advisory_lock(1);
         DO $$ BEGIN
             IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OWNER}') THEN
                 CREATE ROLE {OWNER} LOGIN;
                 CREATE ROLE {RUNTIME} LOGIN;
                 EXECUTE format('GRANT CREATE ON DATABASE %I TO {OWNER}', current_database());
             END IF;
         END $$;
         SELECT pg_advisory_unlock(1)"
    );
    server.batch_execute(&roles).await.unwrap();
}
