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
    for index in ["runs_active", "runs_open", "ready_pkey"] {
        let entries = "SELECT reltuples::bigint FROM pg_class WHERE relname = $1 AND relnamespace = current_schema()::regnamespace";
        let row = owner.query_one(entries, &[&index]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 1, "{index}");
    }
}
