//! What the database refuses, and what it cannot.

use striatum_core::{
    chain::ChainFault,
    store::{RunHead, Store, StoreExt, VerifyError},
};
use striatum_testkit::fixture::{Draft, fence, ready, resource, run};
use tokio_postgres::error::SqlState;

use crate::server::{OWNER, RUNTIME, Schema, chain};

const REFUSED: &[&str] = &[
    "INSERT INTO events VALUES (1, 2, 0, 1, gen_random_uuid(), '', '', '')",
    "COPY events FROM STDIN",
    "UPDATE events SET body = ''",
    "UPDATE events SET digest = '' WHERE seq = 1",
    "DELETE FROM events",
    "TRUNCATE events",
    "SELECT FROM events FOR UPDATE",
    "DO $$ BEGIN LOCK TABLE events IN EXCLUSIVE MODE; END $$",
    "ALTER TABLE events ADD COLUMN more text",
    "ALTER TABLE events DISABLE TRIGGER ALL",
    "ALTER TABLE events DISABLE TRIGGER events_are_never_changed",
    "ALTER TABLE events OWNER TO striatum_app",
    "DROP TRIGGER events_are_never_changed ON events",
    "CREATE TRIGGER mine BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE RULE mine AS ON INSERT TO events DO INSTEAD NOTHING",
    "DROP TABLE events",
    "INSERT INTO chains (name, label, genesis, head_seq, head_digest, head_at) VALUES ('x', '', '', 0, '', 0)",
    "UPDATE chains SET head_seq = 0",
    "UPDATE chains SET head_digest = ''",
    "DELETE FROM chains",
    "TRUNCATE chains",
    "SELECT FROM chains FOR UPDATE",
    "ALTER TABLE chains ALTER COLUMN head_seq DROP NOT NULL",
    "DROP TABLE chains",
    "UPDATE runs SET version = 0",
    "DELETE FROM runs",
    "UPDATE leases SET deadline = 0",
    "DELETE FROM leases",
    "UPDATE timers SET deadline = 0",
    "UPDATE resources SET run = NULL",
    "UPDATE ready SET held_until = 0",
    "DELETE FROM requests",
    "UPDATE migrations SET checksum = ''",
    "CREATE OR REPLACE FUNCTION clock() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'",
    "CREATE FUNCTION now() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'",
    "CREATE TABLE chains2 ()",
    "ALTER FUNCTION clock() SECURITY DEFINER",
    "DROP FUNCTION clock()",
    "SELECT lock_resources('{}', '{}', '{}')",
    "SELECT exchange_resources(gen_random_uuid(), '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    "SET ROLE striatum_owner",
    "SET session_replication_role = replica",
    "GRANT INSERT ON events TO striatum_app",
];

#[tokio::test]
async fn the_runtime_role_cannot_change_what_is_written() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    let lease = fence(run(1), "draft", 1);
    let draft =
        Draft::new(&chain(), run(1), RunHead::START).ready(ready("draft")).take("draft", resource("db"));
    store.append(&draft.grant(lease, std::time::Duration::from_secs(60)).batch()).await.unwrap();
    let client = schema.client(RUNTIME).await;
    for statement in REFUSED {
        let answer = client.batch_execute(statement).await;
        let state = answer.as_ref().err().and_then(|error| error.code());
        // A grant by who may not grant anything is a warning, and grants nothing.
        if statement.starts_with("GRANT") && state.is_none() {
            continue;
        }
        assert_eq!(state, Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {answer:?}");
    }
    // What a session brings with it is not what the functions find.
    client
        .batch_execute(
            "CREATE TEMP TABLE chains AS SELECT * FROM chains; UPDATE pg_temp.chains SET head_seq = 41",
        )
        .await
        .unwrap();
    let head: i64 = client.query_one("SELECT seq FROM open_chain('main', '')", &[]).await.unwrap().get(0);
    assert_eq!(head, 1);
    assert_eq!(store.verify(&chain(), None, |_| {}).await.unwrap().seq, 1);
}

#[tokio::test]
async fn what_the_owner_changes_is_found_and_named() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    let draft = Draft::new(&chain(), run(1), RunHead::START).events(5).batch();
    store.append(&draft).await.unwrap();
    let owner = schema.client(OWNER).await;
    let update = "UPDATE events SET at = at + 1 WHERE seq = 3";
    // An accident is stopped.
    let stopped = owner.batch_execute(update).await.unwrap_err();
    assert_eq!(stopped.code().unwrap().code(), "SR006");
    let meant = format!("ALTER TABLE events DISABLE TRIGGER USER; {update}");
    owner.batch_execute(&meant).await.unwrap();
    let found = store.verify(&chain(), None, |_| {}).await.unwrap_err();
    assert!(
        matches!(&found, VerifyError::Chain(error) if error.seq == 3 && error.fault == ChainFault::Altered),
        "{found:?}"
    );
}
