//! Making a schema, and refusing one.

use striatum_core::store::Store;
use striatum_pg::{Hardening, PgStore, SetupError};
use striatum_testkit::fixture::{Draft, run};

use crate::{
    log::Log,
    proxy::Proxy,
    server::{self, OWNER, RUNTIME, Schema, chain},
};

#[tokio::test]
async fn migrating_many_times_at_once_makes_one_schema() {
    let Some(address) = server::address() else { return };
    let schema = Schema::empty(address).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let config = schema.config(OWNER);
            tokio::spawn(async move { PgStore::migrate(&config).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    schema.store().await;
}

#[tokio::test]
async fn a_schema_that_was_not_migrated_is_refused() {
    let Some(address) = server::address() else { return };
    let schema = Schema::empty(address).await;
    let refused = PgStore::connect(&schema.runtime()).await.unwrap_err();
    assert!(matches!(refused, SetupError::Older { found: 0, .. }), "{refused:?}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let Some(schema) = Schema::new().await else { return };
    let stamp = "INSERT INTO migrations SELECT 1 + max(version), 'future', '', 0 FROM migrations";
    schema.client(OWNER).await.execute(stamp, &[]).await.unwrap();
    for refused in [
        PgStore::migrate(&schema.config(OWNER)).await.unwrap_err(),
        PgStore::connect(&schema.runtime()).await.unwrap_err(),
    ] {
        assert!(matches!(refused, SetupError::Newer { found, known } if found == known + 1), "{refused:?}");
    }
}

#[tokio::test]
async fn a_schema_of_other_migrations_is_refused() {
    let Some(schema) = Schema::new().await else { return };
    let change = "UPDATE migrations SET checksum = sha256(checksum) WHERE version = 2";
    schema.client(OWNER).await.execute(change, &[]).await.unwrap();
    for refused in [
        PgStore::migrate(&schema.config(OWNER)).await.unwrap_err(),
        PgStore::connect(&schema.runtime()).await.unwrap_err(),
    ] {
        assert!(matches!(refused, SetupError::Changed { version: 2 }), "{refused:?}");
    }
}

/// The third migration finds that something has the name of its last function.
#[tokio::test]
async fn nothing_of_a_migration_that_failed_remains_and_what_was_before_it_does() {
    let Some(address) = server::address() else { return };
    let schema = Schema::empty(address).await;
    let name = &schema.name;
    let in_the_way = format!(
        "CREATE SCHEMA {name};
         CREATE FUNCTION {name}.settle_request(request_id bigint, reason text) RETURNS integer LANGUAGE sql AS 'SELECT 1'"
    );
    let owner = schema.client(OWNER).await;
    owner.batch_execute(&in_the_way).await.unwrap();
    let failed = PgStore::migrate(&schema.config(OWNER)).await.unwrap_err();
    assert!(matches!(failed, SetupError::Store(_)), "{failed:?}");
    let functions = "SELECT proname::text FROM pg_proc WHERE pronamespace = to_regnamespace($1::text)::oid
                     AND proname IN ('append', 'due', 'renew', 'show_ready') ORDER BY 1";
    let of_schema = async || -> Vec<String> {
        let rows = owner.query(functions, &[name]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let stamps = format!("SELECT count(*) FROM {name}.migrations");
    let stamped: i64 = owner.query_one(&stamps, &[]).await.unwrap().get(0);
    assert_eq!((stamped, of_schema().await), (2, vec!["append".to_owned()]));
    let refused = PgStore::connect(&schema.config(OWNER)).await.unwrap_err();
    assert!(matches!(refused, SetupError::Older { found: 2, .. }), "{refused:?}");

    owner.batch_execute(&format!("DROP FUNCTION {name}.settle_request")).await.unwrap();
    PgStore::migrate(&schema.config(OWNER)).await.unwrap();
    assert_eq!(of_schema().await, ["append", "due", "renew", "show_ready"]);
    schema.store().await;
}

/// Who holds a lock for long is not waited for for ever, neither for the lock nor for the statement, and then all is well again.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_waits_too_long_is_given_up() {
    let Some(schema) = Schema::new().await else { return };
    schema.store().await;
    let soon = std::time::Duration::from_millis(200);
    let impatient = || schema.runtime().patience(std::time::Duration::ZERO);
    for config in [impatient().lock_timeout(soon), impatient().statement_timeout(soon)] {
        let store = PgStore::connect(&config).await.unwrap();
        let mut owner = schema.client(OWNER).await;
        let holds = owner.transaction().await.unwrap();
        holds.batch_execute("LOCK TABLE chains IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let error = store.head(&chain()).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        holds.rollback().await.unwrap();
        store.head(&chain()).await.unwrap();
    }
}

#[tokio::test]
async fn the_schema_of_another_application_is_left_alone() {
    let Some(address) = server::address() else { return };
    let schema = Schema::empty(address).await;
    let foreign = format!("CREATE SCHEMA {0}; CREATE TABLE {0}.customers ()", schema.name);
    schema.client(OWNER).await.batch_execute(&foreign).await.unwrap();
    let refused = PgStore::migrate(&schema.config(OWNER)).await.unwrap_err();
    assert!(matches!(refused, SetupError::Foreign(_)), "{refused:?}");
}

#[tokio::test]
async fn who_owns_the_store_is_refused_where_that_matters() {
    let Some(schema) = Schema::new().await else { return };
    for role in [OWNER, "postgres"] {
        let refused = PgStore::connect(&schema.config(role).hardening(Hardening::Require)).await.unwrap_err();
        assert!(matches!(&refused, SetupError::TooMighty { role: found } if found == role), "{refused:?}");
        PgStore::connect(&schema.config(role)).await.unwrap();
    }
    PgStore::connect(&schema.config(RUNTIME).hardening(Hardening::Require)).await.unwrap();
}

#[tokio::test]
async fn who_owns_the_store_is_warned_where_that_does_not_matter() {
    let Some(schema) = Schema::new().await else { return };
    for (role, is_warned) in [(OWNER, true), ("postgres", true), (RUNTIME, false)] {
        let log = Log::default();
        let _recorded = log.record();
        PgStore::connect(&schema.config(role)).await.unwrap();
        let said = log.text();
        let warning = format!("role=\"{role}\"");
        let found = said.lines().any(|line| line.contains("may change events") && line.contains(&warning));
        assert_eq!(found, is_warned, "{role}: {said}");
    }
}

/// A login that takes that role has its rights, whatever it could do otherwise.
#[tokio::test]
async fn a_runtime_role_is_made_where_there_is_none() {
    let Some(address) = server::address() else { return };
    let schema = Schema::empty(address).await;
    let role = format!("{}_role", schema.name);
    PgStore::migrate(&schema.config("postgres").runtime_role(&role).unwrap()).await.unwrap();
    let rights = "SELECT rolcanlogin, has_table_privilege(rolname, 'batches', 'SELECT'),
                         has_table_privilege(rolname, 'batches', 'INSERT, UPDATE, DELETE, TRUNCATE')
                  FROM pg_roles WHERE rolname = $1";
    let found = schema.client("postgres").await.query_one(rights, &[&role]).await.unwrap();
    assert_eq!([0, 1, 2].map(|column| found.get::<_, bool>(column)), [false, true, false]);
    let taken = schema.at(format!("{address} options='-c role={role}'"));
    PgStore::connect(&taken.config("postgres").hardening(Hardening::Require)).await.unwrap();
}

/// What the server says of its version is replaced on the way.
#[tokio::test]
async fn a_server_that_is_too_old_is_refused_before_anything_is_made() {
    let Some(address) = server::address() else { return };
    let (schema, proxy) = (Schema::empty(address).await, Proxy::new(address));
    let owner = schema.client(OWNER).await;
    let version = "SELECT current_setting('server_version_num')::integer";
    let version: i32 = owner.query_one(version, &[]).await.unwrap().get(0);
    let aged = schema.at(proxy.address.clone());
    proxy.falsify(version.to_be_bytes(), 139_999_i32.to_be_bytes());
    for refused in [
        PgStore::migrate(&aged.config(OWNER)).await.unwrap_err(),
        PgStore::connect(&aged.runtime()).await.unwrap_err(),
    ] {
        assert!(matches!(refused, SetupError::OldServer(_)), "{refused:?}");
    }
    let made = "SELECT to_regnamespace($1) IS NOT NULL";
    assert!(!owner.query_one(made, &[&schema.name]).await.unwrap().get::<_, bool>(0));
    proxy.falsify(version.to_be_bytes(), 140_000_i32.to_be_bytes());
    PgStore::migrate(&aged.config(OWNER)).await.unwrap();
    PgStore::connect(&aged.runtime()).await.unwrap();
}

#[tokio::test]
async fn the_runtime_role_cannot_be_the_owner() {
    let Some(address) = server::address() else { return };
    let schema = Schema::empty(address).await;
    let refused = PgStore::migrate(&schema.config(RUNTIME)).await.unwrap_err();
    assert!(matches!(refused, SetupError::Config(_)), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_unavailable() {
    let schema = Schema { address: "host=/nonexistent".to_owned(), name: "striatum".to_owned() };
    let config = schema.config(RUNTIME).patience(std::time::Duration::ZERO);
    for refused in
        [PgStore::connect(&config).await.unwrap_err(), PgStore::migrate(&config).await.unwrap_err()]
    {
        assert!(matches!(&refused, SetupError::Store(error) if error.is_retryable()), "{refused:?}");
    }
}

#[tokio::test]
async fn two_schemas_share_a_database_and_nothing_else() {
    let (Some(one), Some(other)) = (Schema::new().await, Schema::new().await) else { return };
    let (first, second) = (one.store().await, other.store().await);
    let batch = Draft::new(&chain(), run(1), striatum_core::store::RunHead::START).batch();
    first.append(&batch).await.unwrap();
    assert_eq!(first.head(&chain()).await.unwrap().seq, 1);
    assert_eq!(second.head(&chain()).await.unwrap().seq, 0);
    second.append(&batch).await.unwrap();
}

/// Each statement of an append reads what is committed then; a snapshot of the whole transaction would hide a renewal.
#[tokio::test]
async fn another_isolation_level_is_refused() {
    let Some(schema) = Schema::new().await else { return };
    schema.store().await;
    let mut client = schema.client(RUNTIME).await;
    for function in ["append", "reindex"] {
        let call = "SELECT format('SELECT %s(%s)', proname, string_agg(format('NULL::%s', format_type(t, NULL)), ', '))
                    FROM pg_proc, unnest(proargtypes) t WHERE proname = $1 AND pronamespace = current_schema()::regnamespace
                    GROUP BY proname";
        let call: String = client.query_one(call, &[&function]).await.unwrap().get(0);
        for level in
            [tokio_postgres::IsolationLevel::RepeatableRead, tokio_postgres::IsolationLevel::Serializable]
        {
            let transaction = client.build_transaction().isolation_level(level).start().await.unwrap();
            let refused = transaction.query(&call, &[]).await.unwrap_err();
            assert_eq!(refused.code().unwrap().code(), "SR001", "{refused:?}");
        }
    }
}
