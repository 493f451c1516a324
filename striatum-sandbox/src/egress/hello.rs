//! The first message of a TLS connection, read without answering it.

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{host::Host, refusal::Refusal};

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
/// No client says more than this at first; the largest have keys of a post-quantum kind.
const MOST: usize = 16 << 10;

/// What a client says first.
#[derive(Debug)]
pub(super) struct Hello {
    /// The bytes, as they came.
    pub(super) bytes: Vec<u8>,
    server_name: Option<String>,
    is_encrypted: bool,
}

impl Hello {
    /// Reads it, and nothing after it.
    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self, Refusal> {
        let (mut bytes, mut message) = (Vec::new(), Vec::new());
        loop {
            let mut head = [0; 5];
            read(stream, &mut head[..1]).await?;
            if head[0] != HANDSHAKE {
                return Err(Refusal::NotTls);
            }
            read(stream, &mut head[1..]).await?;
            let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
            if head[1] != 3 || length == 0 || bytes.len() + length > MOST {
                return Err(Refusal::NotTls);
            }
            let start = message.len();
            message.resize(start + length, 0);
            read(stream, &mut message[start..]).await?;
            bytes.extend_from_slice(&head);
            bytes.extend_from_slice(&message[start..]);
            if let Some(hello) = complete(&message)? {
                let (server_name, is_encrypted) = parse(hello).ok_or(Refusal::NotTls)?;
                return Ok(Self { bytes, server_name, is_encrypted });
            }
        }
    }

    /// That the client means this host. Who connects to an address names none.
    pub(super) fn agrees(&self, host: &Host) -> Result<(), Refusal> {
        let is_meant = match (host, &self.server_name) {
            (Host::Name(name), Some(said)) => said.eq_ignore_ascii_case(name),
            (Host::Address(_), said) => said.is_none(),
            (Host::Name(_), None) => false,
        };
        if is_meant { Ok(()) } else { Err(Refusal::ServerNameDisagrees) }
    }

    /// That the name is all that is said, and no other is hidden in it.
    pub(super) fn is_plain(&self) -> Result<(), Refusal> {
        if self.is_encrypted { Err(Refusal::ServerNameHidden) } else { Ok(()) }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin), into: &mut [u8]) -> Result<(), Refusal> {
    stream.read_exact(into).await.map(drop).map_err(|_| Refusal::NotTls)
}

/// The body of the message, once all of it is there.
fn complete(message: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
        return Err(Refusal::NotTls);
    }
    let Some(&[_, a, b, c]) = message.first_chunk::<4>() else { return Ok(None) };
    let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
    let body = &message[4..];
    match body.len() {
        have if length > MOST || have > length => Err(Refusal::NotTls),
        have if have < length => Ok(None),
        _ => Ok(Some(body)),
    }
}

/// The server's name, and whether another one is hidden. Whatever could be read in two ways is `None`.
fn parse(hello: &[u8]) -> Option<(Option<String>, bool)> {
    let mut rest = Reader(hello);
    rest.take(2 + 32)?;
    rest.vector::<1>()?;
    rest.vector::<2>()?;
    rest.vector::<1>()?;
    let mut extensions = Reader(if rest.is_empty() { &[] } else { rest.vector::<2>()? });
    if !rest.is_empty() {
        return None;
    }
    let (mut name, mut is_encrypted) = (None, false);
    while !extensions.is_empty() {
        let kind = extensions.number()?;
        let content = extensions.vector::<2>()?;
        match kind {
            SERVER_NAME if name.is_some() => return None,
            SERVER_NAME => name = Some(server_name(content)?),
            ENCRYPTED_CLIENT_HELLO => is_encrypted = true,
            _ => {}
        }
    }
    Some((name, is_encrypted))
}

/// The one name in the extension.
fn server_name(extension: &[u8]) -> Option<String> {
    let mut whole = Reader(extension);
    let mut list = Reader(whole.vector::<2>()?);
    let is_host_name = list.take(1)? == [0];
    let name = list.vector::<2>()?;
    let is_one = is_host_name && list.is_empty() && whole.is_empty() && name.is_ascii();
    is_one.then(|| String::from_utf8_lossy(name).into_owned())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// Bytes behind their length, which takes `N` bytes.
    fn vector<const N: usize>(&mut self) -> Option<&'a [u8]> {
        let length = self.take(N)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello with these extensions, in records of at most so many bytes.
    fn hello(extensions: &[(u16, &[u8])], record: usize) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        let mut list = Vec::new();
        for (kind, content) in extensions {
            list.extend(kind.to_be_bytes());
            list.extend(u16::try_from(content.len()).expect("short").to_be_bytes());
            list.extend(*content);
        }
        body.extend(u16::try_from(list.len()).expect("short").to_be_bytes());
        body.extend(list);
        let mut message = vec![CLIENT_HELLO, 0];
        message.extend(u16::try_from(body.len()).expect("short").to_be_bytes());
        message.extend(body);
        let framed = message.chunks(record).flat_map(|part| {
            let mut framed = vec![HANDSHAKE, 3, 1];
            framed.extend(u16::try_from(part.len()).expect("short").to_be_bytes());
            framed.extend(part);
            framed
        });
        framed.collect()
    }

    fn named(name: &str) -> Vec<u8> {
        let length = u16::try_from(name.len()).expect("short");
        let mut content = (length + 3).to_be_bytes().to_vec();
        content.push(0);
        content.extend(length.to_be_bytes());
        content.extend(name.as_bytes());
        content
    }

    async fn read(bytes: &[u8]) -> Result<Hello, Refusal> {
        Hello::read(&mut &bytes[..]).await
    }

    #[tokio::test]
    async fn the_name_is_read_in_whatever_records_it_comes() {
        let host: Host = "allowed.test".parse().expect("a host");
        let name = named("Allowed.Test");
        for record in [1, 7, 4096] {
            let mut bytes = hello(&[(SERVER_NAME, &name)], record);
            bytes.extend(b"what follows stays");
            let read = read(&bytes).await.expect("a hello");
            assert_eq!(read.agrees(&host), Ok(()));
            assert_eq!(bytes.strip_prefix(read.bytes.as_slice()), Some(b"what follows stays".as_slice()));
        }
    }

    #[tokio::test]
    async fn other_names_do_not_agree() {
        let host: Host = "allowed.test".parse().expect("a host");
        let address: Host = "127.0.0.1".parse().expect("a host");
        let other = named("other.test");
        let other = read(&hello(&[(SERVER_NAME, &other)], 4096)).await.expect("a hello");
        let none = read(&hello(&[], 4096)).await.expect("a hello");
        assert_eq!(other.agrees(&host), Err(Refusal::ServerNameDisagrees));
        assert_eq!(other.agrees(&address), Err(Refusal::ServerNameDisagrees));
        assert_eq!(none.agrees(&host), Err(Refusal::ServerNameDisagrees));
        assert_eq!(none.agrees(&address), Ok(()));
    }

    #[tokio::test]
    async fn a_name_that_could_be_read_in_two_ways_is_none() {
        let (one, two) = (named("allowed.test"), named("other.test"));
        let mut both = named("allowed.test");
        both.extend_from_slice(&two[2..]);
        let length = u16::try_from(both.len() - 2).expect("short").to_be_bytes();
        both[..2].copy_from_slice(&length);
        for extensions in
            [&[(SERVER_NAME, one.as_slice()), (SERVER_NAME, two.as_slice())][..], &[(SERVER_NAME, &both)]]
        {
            assert_eq!(read(&hello(extensions, 4096)).await.expect_err("doubled"), Refusal::NotTls);
        }
        let hidden = read(&hello(&[(SERVER_NAME, &one), (ENCRYPTED_CLIENT_HELLO, b"x")], 4096)).await;
        assert_eq!(hidden.expect("a hello").is_plain(), Err(Refusal::ServerNameHidden));
    }

    #[tokio::test]
    async fn anything_else_is_no_hello() {
        for bytes in [
            &b""[..],
            b"GET / HTTP/1.1\r\n",
            b"SSH-2.0-x\r\n",
            b"\x16\x03\x01\x00\x00",
            b"\x16\x03\x01\xff\xff",
        ] {
            assert_eq!(read(bytes).await.expect_err("no hello"), Refusal::NotTls);
        }
        let good = hello(&[], 4096);
        for end in 0..good.len() {
            assert_eq!(read(&good[..end]).await.expect_err("cut off"), Refusal::NotTls);
        }
    }
}
