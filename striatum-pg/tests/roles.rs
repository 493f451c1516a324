//! What the database refuses, and what it cannot.

use striatum_core::{
    chain::ChainFault,
    store::{RunHead, Store, StoreExt, VerifyError},
};
use striatum_testkit::fixture::{Draft, fence, ready, resource, run};
use tokio_postgres::error::SqlState;

use crate::server::{OWNER, RUNTIME, Schema, chain};

const REFUSED: &[&str] = &[
    "INSERT INTO batches VALUES (1, 2, 0, gen_random_uuid(), 1, 1, '', '', '{}', '')",
    "COPY batches FROM STDIN",
    "UPDATE batches SET bodies = ''",
    "UPDATE batches SET digests = '' WHERE seq = 1",
    "DELETE FROM batches",
    "TRUNCATE batches",
    "SELECT FROM batches FOR UPDATE",
    "DO $$ BEGIN LOCK TABLE batches IN EXCLUSIVE MODE; END $$",
    "ALTER TABLE batches ADD COLUMN more text",
    "ALTER TABLE batches DISABLE TRIGGER ALL",
    "ALTER TABLE batches DISABLE TRIGGER events_are_never_changed",
    "ALTER TABLE batches OWNER TO striatum_app",
    "DROP TRIGGER events_are_never_changed ON batches",
    "CREATE TRIGGER mine BEFORE INSERT ON batches FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE RULE mine AS ON INSERT TO batches DO INSTEAD NOTHING",
    "DROP TABLE batches",
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
    "GRANT INSERT ON batches TO striatum_app",
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
    for (update, seq, fault) in [
        ("bodies = set_byte(bodies, ends[2], 0)", 3, ChainFault::Altered),
        ("ends[2] = ends[2] + 1", 2, ChainFault::Altered),
        ("digests = set_byte(digests, 64, get_byte(digests, 64) # 1)", 3, ChainFault::Altered),
        ("prev = set_byte(prev, 0, get_byte(prev, 0) # 1)", 1, ChainFault::Altered),
        ("bodies = set_byte(bodies, ends[5] - 1, 0)", 5, ChainFault::Altered),
        ("at = at + 1", 1, ChainFault::Altered),
        ("seq = 2", 1, ChainFault::Missing),
    ] {
        let update = format!("UPDATE batches SET {update}");
        // An accident is stopped.
        let stopped = owner.batch_execute(&update).await.unwrap_err();
        assert_eq!(stopped.code().unwrap().code(), "SR006");
        let meant = format!(
            "CREATE TABLE kept AS SELECT * FROM batches; ALTER TABLE batches DISABLE TRIGGER USER; {update}"
        );
        owner.batch_execute(&meant).await.unwrap();
        let found = store.verify(&chain(), None, |_| {}).await.unwrap_err();
        assert!(
            matches!(&found, VerifyError::Chain(error) if error.seq == seq && error.fault == fault),
            "{update}: {found:?}"
        );
        let mend = "DELETE FROM batches; INSERT INTO batches SELECT * FROM kept; DROP TABLE kept;
                    ALTER TABLE batches ENABLE TRIGGER USER";
        owner.batch_execute(mend).await.unwrap();
        assert_eq!(store.verify(&chain(), None, |_| {}).await.unwrap().seq, 5);
    }
}

/// The runtime role may append what makes no sense, but nothing that a reader could not take apart.
#[tokio::test]
async fn a_batch_that_does_not_end_where_its_events_do_is_refused() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    let client = schema.client(RUNTIME).await;
    let call = "SELECT format('SELECT answers[1] FROM append(%s)', string_agg(CASE name
                    WHEN 'chain_name' THEN '''main'''
                    WHEN 'run_ids' THEN 'ARRAY[gen_random_uuid()]'
                    WHEN 'expected_versions' THEN '''{0}'''
                    WHEN 'expected_digests' THEN 'ARRAY[decode(repeat(''00'', 32), ''hex'')]'
                    WHEN 'sizes' THEN 'ARRAY[$1]' WHEN 'body_ends' THEN '$2' WHEN 'batch_bodies' THEN 'ARRAY[$3::bytea]'
                    WHEN 'statuses' THEN '''{running}''' WHEN 'pauses' THEN '''{f}''' WHEN 'rooms' THEN '''{1}'''
                    WHEN 'workflows' THEN '''{w}''' WHEN 'actives' THEN '''{t}''' ELSE '''{}''' END
                    || '::' || format_type(type, NULL), ', ' ORDER BY nth))
                FROM pg_proc, unnest(proargtypes::oid[], proargnames) WITH ORDINALITY AS a (type, name, nth)
                WHERE proname = 'append' AND pronamespace = current_schema()::regnamespace AND type IS NOT NULL";
    let call: String = client.query_one(call, &[]).await.unwrap().get(0);
    for (size, ends, bodies, refused) in [
        ("2", "'{1,2}'", "'ab'", None),
        ("1", "'{0}'", "''", None),
        ("0", "'{}'", "''", Some("SR005")),
        ("1", "'{1}'", "'ab'", Some("SR005")),
        ("1", "'{3}'", "'ab'", Some("SR005")),
        ("2", "'{2}'", "'ab'", Some("23502")),
        ("2", "'{2,1}'", "'ab'", Some("22011")),
        ("2", "'{3,2}'", "'ab'", Some("22011")),
    ] {
        let call = call.replace("$1", size).replace("$2", ends).replace("$3", bodies);
        let answer = client.query_one(&call, &[]).await;
        let state = answer.as_ref().err().and_then(|error| error.code()).map(|state| state.code());
        assert_eq!(state, refused, "{call}: {answer:?}");
    }
    assert_eq!(store.verify(&chain(), None, |_| {}).await.unwrap().seq, 3);
}
