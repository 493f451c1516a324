//! What stays cheap however long the history is.

use std::time::Duration;

use striatum_core::store::{RunHead, Store};
use striatum_testkit::fixture::{Draft, fence, ready, run};

use crate::server::{OWNER, RUNTIME, Schema, chain};

/// A renewal changes no index, so its row stays on its page and the next one cleans up behind it.
#[tokio::test]
async fn a_renewal_stays_within_its_page() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    let lease = fence(run(1), "draft", 1);
    let draft = Draft::new(&chain(), run(1), RunHead::START).grant(lease.clone(), Duration::from_secs(60));
    store.append(&draft.batch()).await.unwrap();
    let mut client = schema.client(RUNTIME).await;
    let transaction = client.transaction().await.unwrap();
    for term in 1..=30_i64 {
        let renew = format!(
            "SELECT renew(ARRAY['{}'::uuid], ARRAY['draft'], ARRAY[1::bigint], ARRAY['{}'::uuid], ARRAY[{}::bigint])",
            lease.run,
            lease.session,
            term * 100_000_000
        );
        transaction.batch_execute(&renew).await.unwrap();
    }
    let count = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables
                 WHERE relname = 'leases' AND schemaname = current_schema()";
    let row = transaction.query_one(count, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (30, 30));
}

/// The indexes that polls read hold what is open, whatever has ended.
#[tokio::test]
async fn finished_runs_leave_the_hot_indexes() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    for number in 0..50 {
        let head = store
            .append(&Draft::new(&chain(), run(number), RunHead::START).ready(ready("draft")).batch())
            .await
            .unwrap();
        if number > 0 {
            let end = Draft::new(&chain(), run(number), head).unready("draft").inactive();
            store.append(&end.status(striatum_core::run::RunStatus::Completed).batch()).await.unwrap();
        }
    }
    let owner = schema.client(OWNER).await;
    for table in ["VACUUM (ANALYZE) runs", "VACUUM (ANALYZE) ready"] {
        owner.batch_execute(table).await.unwrap();
    }
    for index in ["runs_active", "ready_pkey"] {
        let entries = "SELECT reltuples::bigint FROM pg_class WHERE relname = $1 AND relnamespace = current_schema()::regnamespace";
        let row = owner.query_one(entries, &[&index]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 1, "{index}");
    }
}

/// Such a function is not taken apart into the statement that calls it, and one in SQL would be planned at each call.
#[tokio::test]
async fn functions_with_settings_of_their_own_keep_their_plans() {
    let Some(schema) = Schema::new().await else { return };
    let planned = "SELECT p.proname::text FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
                   WHERE p.pronamespace = current_schema()::regnamespace AND p.proconfig IS NOT NULL AND l.lanname = 'sql'";
    let found = schema.client(OWNER).await.query(planned, &[]).await.unwrap();
    let found: Vec<String> = found.iter().map(|row| row.get(0)).collect();
    assert_eq!(found, Vec::<String>::new());
}

/// A connection lives for long, and so do its plans.
#[tokio::test]
async fn a_plan_from_before_anything_began_serves_a_long_history() {
    let Some(schema) = Schema::new().await else { return };
    schema.store().await;
    let mut owner = schema.client(OWNER).await;
    let look = "SELECT FROM show_ready(gen_random_uuid(), 'main', NULL, NULL, NULL, '{}', '{}', '{}', 9, 1)";
    for _ in 0..10 {
        assert!(owner.query(look, &[]).await.unwrap().is_empty());
    }
    let history =
        "INSERT INTO runs SELECT gen_random_uuid(), 1, 1, '', 'completed', false, 1, 'w', false, n <= 3, n, n
                       FROM generate_series(1, 5000) AS n;
                   INSERT INTO ready SELECT run, 'draft', 'author', 'lane', 'process' FROM runs WHERE open";
    owner.batch_execute(history).await.unwrap();
    let transaction = owner.transaction().await.unwrap();
    let read = "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint FROM pg_stat_xact_user_tables
                WHERE relname = 'runs' AND schemaname = current_schema()";
    let before: i64 = transaction.query_one(read, &[]).await.unwrap().get(0);
    assert_eq!(transaction.query(look, &[]).await.unwrap().len(), 3);
    let read = transaction.query_one(read, &[]).await.unwrap().get::<_, i64>(0) - before;
    assert!((1..=20).contains(&read), "{read} rows of runs were read");
}

/// To compress a batch, or to put it aside in pieces, takes longer than to write it.
#[tokio::test]
async fn a_batch_that_fits_on_a_page_is_kept_there_as_it_is() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    for (number, length) in [(1, 7_000), (2, 60_000)] {
        let draft = Draft::new(&chain(), run(number), RunHead::START).says(&"a".repeat(length));
        store.append(&draft.batch()).await.unwrap();
    }
    let kept = "SELECT pg_column_size(bodies) >= octet_length(bodies), pg_column_compression(bodies) IS NULL
                FROM batches ORDER BY seq";
    let owner = schema.client(OWNER).await;
    let rows = owner.query(kept, &[]).await.unwrap();
    assert!(rows.iter().all(|row| row.get(0) && row.get(1)), "{rows:?}");
    let aside = "SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = 'batches'::regclass";
    let aside: String = owner.query_one(aside, &[]).await.unwrap().get(0);
    let batches = format!("SELECT count(DISTINCT chunk_id) FROM {aside}");
    let batches: i64 = schema.client("postgres").await.query_one(&batches, &[]).await.unwrap().get(0);
    assert_eq!(batches, 1);
}
