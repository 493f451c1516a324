//! Chance and time from the operating system.

use std::time::{SystemTime, UNIX_EPOCH};

use striatum_core::{
    id::{CommandId, InstanceId, RunId, SessionId},
    time::{Clock, Timestamp},
};

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }
}

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoEntropy(#[source] getrandom::Error);

fn bits() -> Result<[u8; 16], NoEntropy> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(NoEntropy)?;
    Ok(bytes)
}

macro_rules! mint {
    ($($(#[$doc:meta])* $name:ident -> $id:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// [`NoEntropy`].
        pub fn $name() -> Result<$id, NoEntropy> {
            bits().map($id::from_bytes)
        }
    )*};
}

mint! {
    /// A new run id.
    run_id -> RunId;
    /// A new session id.
    session_id -> SessionId;
    /// A new command id.
    command_id -> CommandId;
    /// A new instance id.
    instance_id -> InstanceId;
}
