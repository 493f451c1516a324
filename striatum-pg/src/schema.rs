//! The schema: which version it has, how it gets there, and who may do what in it.

use striatum_core::{
    digest::Digest,
    store::{StoreError, StoreErrorKind},
};
use tokio_postgres::{Client, GenericClient};

use crate::{
    config::{Config, Hardening},
    error::{Fault, SetupError},
    link::{self, Link},
    pooler, row,
};

const MIGRATE: &str = "migrate the schema";
const CONNECT: &str = "connect to the store";
const OLDEST_SERVER: i32 = 140_000;

struct Migration {
    name: &'static str,
    sql: &'static str,
}

/// Forward only. A released migration is never edited: its checksum stands in every schema that it made.
const MIGRATIONS: &[Migration] = &[
    Migration { name: "tables", sql: include_str!("../migrations/0001_tables.sql") },
    Migration { name: "append", sql: include_str!("../migrations/0002_append.sql") },
    Migration { name: "queries", sql: include_str!("../migrations/0003_queries.sql") },
    Migration { name: "batches", sql: include_str!("../migrations/0004_batches.sql") },
    Migration { name: "plans", sql: include_str!("../migrations/0005_plans.sql") },
    Migration { name: "rows_of_batches", sql: include_str!("../migrations/0006_rows_of_batches.sql") },
    Migration {
        name: "searches_by_ready_jobs",
        sql: include_str!("../migrations/0007_searches_by_ready_jobs.sql"),
    },
];

/// What the runtime role may execute. Everything else of the schema is the owner's.
const FUNCTIONS: &[&str] = &[
    "append",
    "clock",
    "due",
    "hold_run",
    "open_chain",
    "reindex",
    "renew",
    "request_run",
    "run_batches",
    "run_digest",
    "run_head",
    "settle_request",
    "show_ready",
];

/// Brings the schema to the version of this crate, one transaction each, and grants the runtime role what it needs.
pub(crate) async fn migrate(config: &Config) -> Result<(), SetupError> {
    if pooler::is_between(config).await.map_err(|fault| fault.during(MIGRATE))? {
        return Err(SetupError::Pooler);
    }
    let mut client = link::connect(config).await.map_err(|fault| fault.during(MIGRATE))?;
    run(&mut client, config).await.map_err(|failure| failure.during(MIGRATE))
}

async fn run(client: &mut Client, config: &Config) -> Result<(), Failure> {
    let Config { schema, .. } = config;
    client.batch_execute(&link::session(config)).await?;
    check_server(client).await?;
    let owner: String = client.query_one("SELECT current_user::text", &[]).await?.try_get(0)?;
    if owner == config.runtime_role {
        return Err(SetupError::Config("the runtime role cannot be the owner".to_owned()).into());
    }
    // Held by the session, which ends with this function.
    client.execute("SELECT pg_advisory_lock(hashtextextended('striatum.' || $1, 0))", &[schema]).await?;
    let present = check(client, schema).await?;
    if present == 0 {
        client.batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await?;
    }
    for (version, migration) in (1..).zip(MIGRATIONS).skip(present) {
        let transaction = client.transaction().await?;
        transaction.batch_execute(migration.sql).await?;
        transaction
            .execute(
                "INSERT INTO migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, clock())",
                &[&version, &migration.name, &checksum(migration).as_bytes().as_slice()],
            )
            .await?;
        transaction.commit().await?;
    }
    grant(client, config).await
}

async fn grant(client: &mut Client, Config { schema, runtime_role, .. }: &Config) -> Result<(), Failure> {
    let transaction = client.transaction().await?;
    // Another schema may be given the same role at the same time.
    transaction
        .batch_execute(&format!(
            "DO $$ BEGIN
                 IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{runtime_role}') THEN
                     CREATE ROLE {runtime_role} NOLOGIN;
                 END IF;
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
             END $$;
             REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;
             REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC, {runtime_role};
             REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC, {runtime_role};
             GRANT USAGE ON SCHEMA {schema} TO {runtime_role};
             GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {runtime_role};
             DO $$ DECLARE f regprocedure; BEGIN
                 FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = '{schema}'::regnamespace
                          AND p.proname IN ('{}') LOOP
                     EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO {runtime_role}', f);
                 END LOOP;
             END $$;",
            FUNCTIONS.join("', '")
        ))
        .await?;
    Ok(transaction.commit().await?)
}

/// Checks that a store can work with what is there, and how much its role may do.
pub(crate) async fn check_current(link: &Link, config: &Config) -> Result<(), SetupError> {
    let mut patience = link.patience();
    loop {
        let failure = match look(link, config).await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        match failure {
            Failure::Fault(fault) if patience.bears(fault.remedy()).await => {}
            failure => return Err(failure.during(CONNECT)),
        }
    }
}

async fn look(link: &Link, config: &Config) -> Result<(), Failure> {
    if pooler::is_between(config).await? {
        return Err(SetupError::Pooler.into());
    }
    let connection = link.connection().await?;
    let client: &Client = &connection;
    check_server(client).await?;
    let (found, known) = (check(client, &config.schema).await?, MIGRATIONS.len());
    if found < known {
        return Err(SetupError::Older { found, known }.into());
    }
    let rights = client
        .query_one(
            "SELECT current_user::text, rolsuper OR pg_has_role(nspowner, 'USAGE')
                        OR has_table_privilege('batches', 'INSERT, UPDATE, DELETE, TRUNCATE'),
                    current_setting('fsync') = 'off'
             FROM pg_namespace, pg_roles WHERE nspname = $1 AND rolname = current_user",
            &[&config.schema],
        )
        .await?;
    let (role, is_mighty, is_unsafe): (String, bool, bool) =
        (rights.try_get(0)?, rights.try_get(1)?, rights.try_get(2)?);
    match config.hardening {
        Hardening::Require if is_mighty => return Err(SetupError::TooMighty { role }.into()),
        Hardening::Warn if is_mighty => {
            tracing::warn!(role, "this role may change events; connect as the runtime role")
        }
        _ => {}
    }
    if is_unsafe {
        tracing::warn!(
            "the server has fsync off: what it acknowledges does not survive a crash of the machine"
        );
    }
    Ok(())
}

async fn check_server(client: &impl GenericClient) -> Result<(), Failure> {
    let found = client
        .query_one(
            "SELECT current_setting('server_version_num')::integer, current_setting('server_version')",
            &[],
        )
        .await?;
    if found.try_get::<_, i32>(0)? < OLDEST_SERVER {
        return Err(SetupError::OldServer(found.try_get(1)?).into());
    }
    Ok(())
}

/// How many migrations the schema has seen; zero if there is nothing in it.
async fn check(client: &impl GenericClient, schema: &str) -> Result<usize, Failure> {
    let found = client
        .query_one(
            "SELECT count(*), count(*) FILTER (WHERE relname = 'migrations') FROM pg_class c
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1",
            &[&schema],
        )
        .await?;
    match (row::uint(&found, 0)?, row::uint(&found, 1)?) {
        (0, _) => return Ok(0),
        (_, 0) => return Err(SetupError::Foreign(schema.to_owned()).into()),
        _ => {}
    }
    let applied = client
        .query("SELECT version::bigint, checksum FROM migrations ORDER BY version", &[])
        .await
        .map_err(|error| match error.code() {
            Some(&tokio_postgres::error::SqlState::UNDEFINED_COLUMN) => {
                SetupError::Foreign(schema.to_owned()).into()
            }
            _ => Failure::from(error),
        })?;
    let (found, known) = (applied.len(), MIGRATIONS.len());
    if found > known {
        return Err(SetupError::Newer { found, known }.into());
    }
    for ((version, migration), row) in (1..).zip(MIGRATIONS).zip(&applied) {
        if row::uint(row, 0)? != version || row.try_get::<_, &[u8]>(1)? != checksum(migration).as_bytes() {
            let version = usize::try_from(version).unwrap_or(usize::MAX);
            return Err(SetupError::Changed { version }.into());
        }
    }
    Ok(found)
}

fn checksum(migration: &Migration) -> Digest {
    Digest::of(migration.sql.as_bytes())
}

/// A step that did not succeed, before it is said what was being done.
enum Failure {
    Setup(SetupError),
    Fault(Fault),
}

impl Failure {
    fn during(self, doing: &'static str) -> SetupError {
        match self {
            Self::Setup(error) => error,
            Self::Fault(fault) if fault.kind() == StoreErrorKind::Unknown => {
                // Every step of a migration may be repeated.
                SetupError::Store(StoreError::new(StoreErrorKind::Unavailable, doing).because(fault))
            }
            Self::Fault(fault) => SetupError::Store(fault.during(doing)),
        }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::Setup(error)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Fault(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checksum of each stands in every schema that it has made. New ones are added.
    #[test]
    fn a_released_migration_is_never_edited() {
        let released = [
            "0585b0e92d81b7a542eb3d0ed280aaf1b6bd1c95e492002073940cc8593c6c47",
            "b4f0e433d40115557f1e9a3475cbf1d1d243894b9eef266e2565979b001e0501",
            "a088fb47740ef201a1e0c96f7c7d4a56fb8a2b7c2c66118b5e20ef37ab0a5d4d",
            "6180647ecd12f91ba10887f9ec721c691e02d8b753ec558516f061cab3339d11",
            "f4a26dd5b575e9a54922463d1706ed43f77ed9a96280b40556dc4e9e84b5200c",
            "eb2dc137ae26da8df00a8a99b3ad71b1014db2daf4050b4049d3afdf0d50274b",
            "4b8fbc17135dc604790ec9fd57b98693f4eb16a00e9f94d90ce532f6c29297e4",
        ];
        let found: Vec<String> = MIGRATIONS.iter().map(|migration| checksum(migration).to_string()).collect();
        assert_eq!(found, released);
    }

    #[test]
    fn a_migration_is_named_after_its_file_and_ends_a_line() {
        for (version, migration) in (1..).zip(MIGRATIONS) {
            let file = format!("migrations/{version:04}_{}.sql", migration.name);
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
            assert_eq!(
                std::fs::read_to_string(folder.join(&file)).ok().as_deref(),
                Some(migration.sql),
                "{file}"
            );
        }
    }
}
