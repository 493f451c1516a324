//! What anybody would write first: rows without a chain, and a chain under a row lock that is held over round trips.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};
use tokio_postgres::{Client, NoTls};

use crate::Outcome;

pub(crate) async fn connect(address: &str) -> Outcome<Client> {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// A table and nothing else, and connections to fill it.
pub(crate) struct Rows(Vec<Client>);

impl Rows {
    pub(crate) async fn open(address: &str, connections: usize) -> Outcome<Self> {
        let clients = try_join_all((0..connections).map(|_| connect(address))).await?;
        let table = "DROP TABLE IF EXISTS bare; CREATE TABLE bare (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL)";
        if let Some(first) = clients.first() {
            first.batch_execute(table).await?;
        }
        Ok(Self(clients))
    }

    /// Commits each row by itself, as many at a time as there are connections.
    pub(crate) async fn commit(self, rows: &[Vec<u8>]) -> Outcome<Duration> {
        let begun = Instant::now();
        let shares = rows.chunks(rows.len().div_ceil(self.0.len()));
        let lines = self.0.iter().zip(shares).map(async |(client, rows)| -> Outcome {
            let insert = client.prepare("INSERT INTO bare (body) VALUES ($1)").await?;
            for row in rows {
                client.execute(&insert, &[row]).await?;
            }
            Ok(())
        });
        try_join_all(lines).await?;
        Ok(begun.elapsed())
    }
}

/// A chain whose head is a row: locked, read, extended by the client, written, committed.
pub(crate) struct RowLock(Vec<Client>);

impl RowLock {
    pub(crate) async fn open(address: &str, connections: usize) -> Outcome<Self> {
        let clients = try_join_all((0..connections).map(|_| connect(address))).await?;
        if let Some(first) = clients.first() {
            first
                .batch_execute(
                    "DROP TABLE IF EXISTS lock_head, lock_events;
                     CREATE TABLE lock_head (id int PRIMARY KEY, seq bigint NOT NULL, digest bytea NOT NULL);
                     CREATE TABLE lock_events (seq bigint PRIMARY KEY, at bigint NOT NULL, prev bytea NOT NULL,
                                               digest bytea NOT NULL, body bytea NOT NULL);
                     INSERT INTO lock_head VALUES (1, 0, decode(repeat('00', 32), 'hex'))",
                )
                .await?;
        }
        Ok(Self(clients))
    }

    /// Appends until time is up, on all connections; returns the time of each append.
    pub(crate) async fn append(self, body: &[u8], time: Duration) -> Outcome<Vec<Duration>> {
        let until = Instant::now() + time;
        let body: Arc<[u8]> = body.into();
        let tasks: Vec<_> =
            self.0.into_iter().map(|client| tokio::spawn(append(client, Arc::clone(&body), until))).collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await?.map_err(|error| error.to_string())?);
        }
        Ok(times)
    }
}

async fn append(
    mut client: Client,
    body: Arc<[u8]>,
    until: Instant,
) -> Result<Vec<Duration>, tokio_postgres::Error> {
    let head = client.prepare("SELECT seq, digest FROM lock_head WHERE id = 1 FOR UPDATE").await?;
    let insert = client.prepare("INSERT INTO lock_events VALUES ($1, $2, $3, $4, $5)").await?;
    let update = client.prepare("UPDATE lock_head SET seq = $1, digest = $2 WHERE id = 1").await?;
    let mut times = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        let transaction = client.transaction().await?;
        let row = transaction.query_one(&head, &[]).await?;
        let (seq, prev): (i64, Vec<u8>) = (row.try_get::<_, i64>(0)? + 1, row.try_get(1)?);
        let digest =
            Sha256::new().chain_update(&prev).chain_update(seq.to_be_bytes()).chain_update(&body).finalize();
        let digest = digest.as_slice();
        transaction.execute(&insert, &[&seq, &0_i64, &prev, &digest, &&body[..]]).await?;
        transaction.execute(&update, &[&seq, &digest]).await?;
        transaction.commit().await?;
        times.push(begun.elapsed());
    }
    Ok(times)
}
