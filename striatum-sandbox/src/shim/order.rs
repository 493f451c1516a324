//! What the host program tells its shim, and what comes back.

use std::{
    ffi::OsString,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::{
    io::retry_on_intr,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
};
use serde::{Deserialize, Serialize};
use striatum_core::sandbox::Exit;

/// The most descriptors in one message.
pub(crate) const MOST_DESCRIPTORS: usize = 64;

/// An order is never larger than what `execve` takes.
const MOST_BYTES: u64 = 8 << 20;

/// What to run, and behind which walls. It comes with descriptors: the agent's three streams, and then the entrances of the groups that
/// are to bound it, if it is not in them yet.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The program's absolute path.
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    /// The whole environment. It travels here, because whatever stands in the environment of bubblewrap acts outside the walls
    /// (`LD_PRELOAD`), and arguments can be read by anybody.
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) folder: OsString,
    /// What may be changed: everything else is only read.
    pub(crate) writable: Vec<OsString>,
    /// Ports to listen on, on the loopback inside.
    pub(crate) ports: Vec<u16>,
    /// How many processes and threads there may be.
    pub(crate) processes: u64,
}

/// What the shim found, in the message that brings the host its descriptors: one on which a failure is told and which ends when
/// the agent begins, and then the listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// The version of Landlock's interface that will be enforced in full.
    pub(crate) landlock: u32,
}

/// How the agent ended, where nobody else learns of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
}

/// Why there is no agent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) doing: String,
    /// The number of the host's error, where it was one.
    pub(crate) errno: Option<i32>,
}

/// Sends a message of at most a few megabytes, with descriptors.
pub(crate) fn send<T: Serialize>(
    socket: &UnixStream,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let head = u64::try_from(body.len()).unwrap_or(u64::MAX).to_le_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    // Eight bytes always fit at once.
    retry_on_intr(|| sendmsg(socket, &[IoSlice::new(&head)], &mut ancillary, SendFlags::NOSIGNAL))?;
    (&*socket).write_all(&body)
}

/// Receives a message; `None` if the other side is gone.
pub(crate) fn receive<T: for<'a> Deserialize<'a>>(
    socket: &UnixStream,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut head = [0; 8];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
    // A socket with a time limit is not taken up again by the kernel after a signal, such as the end of some child.
    let received =
        retry_on_intr(|| recvmsg(socket.as_fd(), &mut [IoSliceMut::new(&mut head)], &mut ancillary, flags))?;
    let rights = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights),
        _ => None,
    });
    let descriptors: Vec<OwnedFd> = rights.flatten().collect();
    if received.bytes == 0 {
        return Ok(None);
    }
    let length = u64::from_le_bytes(head);
    if received.bytes != head.len() || length > MOST_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = Vec::new();
    socket.take(length).read_to_end(&mut body)?;
    Ok(Some((serde_json::from_slice(&body)?, descriptors)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_with_its_descriptors_and_the_end_is_seen() {
        let (ours, theirs) = UnixStream::pair().expect("sockets");
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let refusal = Refusal { doing: "x".repeat(100_000), errno: Some(7) };
        let sender =
            std::thread::spawn(move || send(&ours, &refusal, &[reader.as_fd()]).expect("it is sent"));
        let (told, descriptors) = receive::<Refusal>(&theirs).expect("it arrives").expect("a message");
        sender.join().expect("it ends");
        assert_eq!((told.doing.len(), told.errno), (100_000, Some(7)));
        writer.write_all(b"hello").expect("somebody reads");
        drop(writer);
        let [descriptor] = <[OwnedFd; 1]>::try_from(descriptors).expect("one descriptor");
        assert_eq!(io::read_to_string(std::fs::File::from(descriptor)).expect("a text"), "hello");
        assert!(receive::<Refusal>(&theirs).expect("the end").is_none());
    }

    #[test]
    fn a_message_of_an_impossible_length_is_refused() {
        let (ours, theirs) = UnixStream::pair().expect("sockets");
        (&ours).write_all(&u64::MAX.to_le_bytes()).expect("it is sent");
        assert_eq!(receive::<Refusal>(&theirs).expect_err("no").kind(), io::ErrorKind::InvalidData);
    }
}
