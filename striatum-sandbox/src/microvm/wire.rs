//! What the host program and its machine tell each other.
//!
//! The machine calls: first for this conversation, then for each stream of a process. Messages go both ways with their length in
//! front. Whatever comes from the machine is what somebody says who may have been taken over.

use std::{ffi::OsString, io, path::PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use striatum_core::sandbox::Exit;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::shim::order::Order;

/// Where the machine finds the host's loopback, as qemu's user network has it.
pub(crate) const HOST: [u8; 4] = [10, 0, 2, 2];
/// The machine's own address there.
pub(crate) const GUEST: [u8; 4] = [10, 0, 2, 15];

/// Where the machine sees what may change: what it sees elsewhere is kept once it was read.
pub(crate) const LIVE: &str = "/run/striatum/live";
/// By which name that is found.
pub(crate) const LIVE_TAG: &str = "live";

/// The host asks for no more at once: an order is never larger than what `execve` takes, here in decimal digits.
pub(crate) const MOST_ASKED: u32 = 64 << 20;
/// What a machine may say at once.
pub(crate) const MOST_SAID: u32 = 64 << 10;

/// What the host asks of its machine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// To take this for the time.
    Clock { seconds: i64, nanoseconds: i64 },
    /// To start a process, and to call for its input, its output and its errors, in this order.
    Start(Box<Start>),
    /// To ask a process to end, and to end it after its grace.
    Kill { process: u32 },
    /// To end a process at once and forget it.
    Forget { process: u32 },
}

/// A process that is to be.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) process: u32,
    pub(crate) session: String,
    pub(crate) bubblewrap: PathBuf,
    pub(crate) walls: Vec<OsString>,
    /// Its ports are those of the host's own listeners too.
    pub(crate) order: Order,
    pub(crate) memory_bytes: u64,
    pub(crate) grace_ms: u64,
}

/// What a machine tells its host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Tell {
    /// A process is what it was to be, held by this version of Landlock's interface.
    Started { process: u32, landlock: u32 },
    /// A process could not be started.
    Refused { process: u32, refusal: Refused },
    /// A process has ended.
    Ended { process: u32, exit: Exit },
}

/// Why a process could not be started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// The code of the kind.
    pub(crate) code: String,
    pub(crate) doing: String,
    pub(crate) remedy: Option<String>,
    pub(crate) cause: Option<String>,
}

/// Sends a message.
pub(crate) async fn send<T: Serialize>(to: &mut (impl AsyncWrite + Unpin), message: &T) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    to.write_all(&[&length.to_le_bytes()[..], &body].concat()).await?;
    to.flush().await
}

/// Receives a message of at most so many bytes; `None` if the other side is gone.
pub(crate) async fn receive<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
    most: u32,
) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    };
    let length = u32::from_le_bytes(length);
    if length > most {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = Vec::new();
    from.take(length.into()).read_to_end(&mut body).await?;
    Ok(Some(serde_json::from_slice(&body)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_arrives_and_the_end_is_seen() {
        let (mut ours, mut theirs) = tokio::io::duplex(1 << 16);
        send(&mut ours, &Tell::Started { process: 7, landlock: 2 }).await.expect("it is sent");
        drop(ours);
        let told = receive(&mut theirs, MOST_SAID).await.expect("it arrives");
        assert!(matches!(told, Some(Tell::Started { process: 7, landlock: 2 })));
        assert!(receive::<Tell>(&mut theirs, MOST_SAID).await.expect("the end").is_none());
    }

    #[tokio::test]
    async fn a_machine_that_says_too_much_or_nonsense_is_not_heard() {
        for (said, kind) in [
            (&b"\xff\xff\xff\x7f"[..], io::ErrorKind::InvalidData),
            (b"\x02\0\0\0{{", io::ErrorKind::InvalidData),
            (b"\x09\0\0\0{", io::ErrorKind::UnexpectedEof),
        ] {
            let error = receive::<Tell>(&mut &said[..], MOST_SAID).await.expect_err("no message");
            assert_eq!(error.kind(), kind, "{said:?}");
        }
    }
}
