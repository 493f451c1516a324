//! Which tokens are revoked: read from the audit chain, by every process that checks tokens.

use std::{sync::Arc, time::Duration};

use striatum_core::{
    chain::Position,
    id::ChainId,
    store::{Mark, Store, StoreError, StoreErrorKind, Wait},
};
use tokio::time::{sleep, timeout};

use super::{FOREVER, row};
use crate::authority::Authority;

/// How many rows are read at once.
const PAGE: usize = 1024;
/// How long nothing is looked at if nothing changes.
const NET: Duration = Duration::from_secs(30);
/// How long a store that cannot be read is left alone.
const OUTAGE: Duration = Duration::from_secs(1);

/// Tells the authority of every token that is revoked behind a place, and says how far it read.
pub(super) async fn take_up(
    store: &dyn Store,
    chain: &ChainId,
    mut seen: Position,
    authority: &Authority,
) -> Result<Position, StoreError> {
    loop {
        let rows = store.read(chain, seen, PAGE).await?;
        for row in &rows {
            if let Some(row::What::Revoked { token, .. }) = row::decode(&row.body) {
                authority.revoke(token, FOREVER);
            }
            seen = row.position();
        }
        if rows.len() < PAGE {
            return Ok(seen);
        }
    }
}

/// Goes on with it as the chain grows.
pub(super) async fn follow(
    store: Arc<dyn Store>,
    chain: ChainId,
    mut seen: Position,
    authority: Arc<Authority>,
) {
    let mut mark = Mark::default();
    loop {
        let wait = Wait { chain: Some(chain.clone()), after: mark };
        let waited = timeout(NET, store.changed(&wait)).await;
        if let Ok(Ok(changed)) = waited {
            mark = changed;
        }
        match take_up(store.as_ref(), &chain, seen, &authority).await {
            Ok(position) => seen = position,
            // What was revoked stays so; what another history revoked is added.
            Err(error) if error.kind() == StoreErrorKind::HistoryChanged => seen = Position::genesis(&chain),
            Err(error) => {
                tracing::warn!("revoked tokens cannot be read: {error}");
                sleep(OUTAGE).await;
            }
        }
        if matches!(waited, Ok(Err(_))) {
            sleep(OUTAGE).await;
        }
    }
}
