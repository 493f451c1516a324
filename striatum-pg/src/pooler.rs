//! Whether a connection leads to one process of the server for as long as it lives.

use tokio::time;
use tokio_postgres::{Client, SimpleQueryMessage, error::SqlState};

use crate::{
    config::Config,
    error::Fault,
    link::{self, GRACE},
};

/// Whether somebody in between hands each transaction, or each statement, to whichever connection is free.
///
/// Settings, prepared statements, locks and notifications of a session are lost there, or worse, are found by others. So
/// this comes before all of them, and asks in plain text.
pub(crate) async fn is_between(config: &Config) -> Result<bool, Fault> {
    let (one, other) = (link::connect(config).await?, link::connect(config).await?);
    let look = time::timeout(config.statement_timeout + GRACE, look(&one, &other));
    look.await.unwrap_or(Err(Fault::Silent))
}

async fn look(one: &Client, other: &Client) -> Result<bool, Fault> {
    let first = process(one).await?;
    match other.batch_execute("BEGIN").await {
        // No transactions at all: it hands on each statement.
        Err(error) if error.code() == Some(&SqlState::PROTOCOL_VIOLATION) => return Ok(true),
        begun => begun?,
    }
    // What served the one is free again, so a pooler takes it for the other; or else another one next time.
    let second = process(other).await?;
    if first == second || first != process(one).await? {
        return Ok(true);
    }
    other.batch_execute("COMMIT").await?;
    Ok(second != process(other).await?)
}

/// The process of the server that answers.
async fn process(client: &Client) -> Result<String, Fault> {
    let answer = client.simple_query("SELECT pg_backend_pid()").await?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    row.map(str::to_owned).ok_or_else(|| Fault::corrupt("the server has no process"))
}
