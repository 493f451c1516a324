//! Replacing the index rows of a run.

use striatum_core::{
    id::RunId,
    store::{AppendError, IndexDelta, RunHead, RunRow, StoreError, StoreErrorKind},
};

use crate::{
    delta::Deltas,
    error::Fault,
    group,
    link::{Effect, Link},
    row::{self, Id},
};

pub(crate) async fn reindex(
    link: &Link,
    run: RunId,
    expected: RunHead,
    index: &IndexDelta,
) -> Result<(), AppendError> {
    const REINDEX: &str = "index a run";
    let unsound = |reason| StoreError::new(StoreErrorKind::Other, REINDEX).because(reason);
    let index = index.clone().checked(run).map_err(unsound)?;
    let mut d = Deltas::default();
    d.push(1, &index);
    let RunRow { status, paused, room, workflow, active } = &index.run;
    let select = "SELECT answer, busy FROM reindex($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
                  $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29)";
    let row = link
        .row(
            REINDEX,
            Effect::Writes,
            select,
            &[
                &Id::from(run),
                &row::int(expected.version),
                &expected.digest.as_bytes().as_slice(),
                &status.as_str(),
                paused,
                &i64::from(*room),
                &workflow.as_str(),
                active,
                &d.ready.of,
                &d.ready.jobs,
                &d.ready.roles,
                &d.ready.lanes,
                &d.ready.adapters,
                &d.ready.timer_jobs,
                &d.ready.timer_epochs,
                &d.ready.wants,
                &d.granted.of,
                &d.granted.jobs,
                &d.granted.epochs,
                &d.granted.sessions,
                &d.terms,
                &d.started.of,
                &d.started.jobs,
                &d.started.epochs,
                &d.waits,
                &d.taken.scopes,
                &d.taken.names,
                &d.taken.slots,
                &d.takers,
            ],
        )
        .await?;
    let answer = || match (row.try_get(0)?, row.try_get(1)?) {
        ("ok", _) => Ok(None),
        ("conflict", _) => Ok(Some(AppendError::Conflict)),
        ("busy", Some(held)) => group::busy(held).map(Some),
        (word, _) => Err(Fault::corrupt(format!("{word} is no answer to an index"))),
    };
    match answer() {
        Ok(None) => Ok(()),
        Ok(Some(refusal)) => Err(refusal),
        Err(fault) => Err(AppendError::Store(fault.during(REINDEX))),
    }
}
