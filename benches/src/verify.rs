//! Verifying a chain, against SHA-256 alone on the bytes that a verifier hashes.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use striatum_core::{
    chain::Sealed,
    engine::Auditor,
    id::{ChainId, RunId, WorkflowId},
    run::{Bodies, RunStatus},
    store::{Batch, ChainMeta, IndexDelta, MemoryStore, RunHead, RunRow, Store, StoreExt},
};

use crate::{
    Outcome,
    measure::{Best, Effort},
    resident,
    table::{Table, per_second},
    workload::{Shell, now},
};

const BODY: usize = 500;
const BATCH: usize = 64;

pub(crate) async fn run(quick: bool) -> Outcome {
    let (events, rounds) = if quick { (64_000, 5) } else { (640_000, 7) };
    let chain = ChainId::new("bench")?;
    let store = stored(&chain, events).await?;
    let hashed = hashed(&store, &chain).await?;

    let (mut alone, mut verified) = (Best::new(), Best::new());
    let before = resident::now()?;
    let mut most = before;
    for _ in 0..rounds {
        let mut effort = Effort::default();
        let hash = async { hashed.iter().fold(0, |sum, bytes| sum ^ Sha256::digest(bytes)[0]) };
        std::hint::black_box(effort.during(hash).await);
        alone.take(effort.read());
        let mut effort = Effort::default();
        effort.during(store.verify(&chain, None, |_| {})).await?;
        verified.take(effort.read());
        most = most.max(resident::now()?);
    }

    let mut shell = Shell::in_memory(1).await?;
    for _ in 0..events / 64 {
        shell.fill().await?;
    }
    let (store, blobs) = (shell.engine.store().clone(), shell.engine.blobs().clone());
    let head = store.head(shell.chain()).await?;
    let (mut decoded, mut folded) = (Best::new(), Best::new());
    for _ in 0..rounds {
        let mut effort = Effort::default();
        effort.during(audit(Auditor::new(&*store, shell.chain(), head))).await?;
        decoded.take(effort.read());
        let mut effort = Effort::default();
        effort.during(audit(Auditor::new(&*store, shell.chain(), head).folding(&*blobs))).await?;
        folded.take(effort.read());
    }

    let sha2 = alone.rate(events);
    let mut table = Table::new("Verify, one core");
    table.base("sha2 alone on the same bytes", per_second(sha2));
    table.row(
        "verify: digests, sequence, head",
        per_second(verified.rate(events)),
        verified.rate(events) / sha2,
        "≥ 0.85",
    );
    table.plain("memory that verifying takes", resident::megabytes(most - before), "constant");
    for (what, best) in [("audit of W: decode", decoded), ("audit of W: decode, fold, compare", folded)] {
        let rate = best.rate(usize::try_from(head.seq)?);
        table.row(what, per_second(rate), rate / sha2, "");
    }
    table.print();
    Ok(())
}

async fn audit(mut auditor: Auditor<'_>) -> Outcome {
    while let Some(audit) = auditor.next().await? {
        if let Some(finding) = audit.findings.first() {
            return Err(finding.to_string().into());
        }
    }
    Ok(())
}

/// A store of events whose bodies have 500 bytes.
async fn stored(chain: &ChainId, events: usize) -> Outcome<MemoryStore> {
    let store = MemoryStore::new(Arc::new(now));
    store.open_chain(chain, &ChainMeta { label: String::new() }).await?;
    let workflow = WorkflowId::new("w")?;
    let row = RunRow { status: RunStatus::Running, paused: false, room: 1, workflow, active: true };
    let run = RunId::from_bytes([1; 16]);
    let mut head = RunHead::START;
    for batch in 0..events / BATCH {
        let bodies: Bodies = (0..BATCH).map(|place| body(batch * BATCH + place)).collect();
        let batch = Batch::new(chain.clone(), run, head, bodies, IndexDelta::new(row.clone()))?;
        head = store.append(&batch).await?;
    }
    Ok(store)
}

fn body(number: usize) -> Vec<u8> {
    let text = format!("{{\"n\":{number},\"text\":\"");
    let mut body = text.into_bytes();
    body.resize(BODY - 2, b'x');
    body.extend(b"\"}");
    body
}

/// What a verifier hashes of each event, laid out so that hashing is all there is to do.
async fn hashed(store: &MemoryStore, chain: &ChainId) -> Outcome<Vec<Vec<u8>>> {
    let mut hashed = Vec::new();
    store
        .verify(chain, None, |Sealed { seq, at, prev, body, .. }| {
            let (seq, at) = (seq.to_be_bytes(), at.as_micros().to_be_bytes());
            hashed.push([&prev.as_bytes()[..], &seq, &at, body].concat());
        })
        .await?;
    Ok(hashed)
}
