//! TLS to a host from which much may come.
//!
//! rustls with buffers of its own takes 4 KiB at a time and makes room for each record anew. Here all that has come is taken at once,
//! and its records are decrypted where they lie, one after the other.

use std::{
    error::Error,
    future::poll_fn,
    io::{self, IoSlice},
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use rustls::{
    ClientConfig,
    client::UnbufferedClientConnection,
    pki_types::ServerName,
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
};

/// How much is taken from the system at once, in bytes, if so much has come: several records.
const AHEAD: usize = 64 << 10;

/// Room for the longest record, in bytes.
const RECORD: usize = 18 << 10;

/// A connection within TLS.
pub(super) struct Tls {
    stream: TcpStream,
    session: UnbufferedClientConnection,
    /// What has come, encrypted.
    incoming: BytesMut,
    /// What of a record found no room with who read it.
    rest: BytesMut,
    /// What is to be written, encrypted.
    outgoing: BytesMut,
    /// The host has said that no more comes.
    has_ended: bool,
    /// We have said so.
    is_shut: bool,
    /// What went wrong. The session is not asked again.
    fault: Option<rustls::Error>,
}

impl Tls {
    /// Agrees on keys with the host of this name.
    pub(super) async fn connect(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        stream: TcpStream,
    ) -> io::Result<Self> {
        let session = UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?;
        let (incoming, [rest, outgoing]) = (BytesMut::with_capacity(AHEAD), Default::default());
        let (has_ended, is_shut, fault) = (false, false, None);
        let mut tls = Self { stream, session, incoming, rest, outgoing, has_ended, is_shut, fault };
        loop {
            let advanced = tls.advance(&mut ReadBuf::new(&mut []), &[]);
            // If it fails the host is told why.
            let sent = poll_fn(|cx| tls.poll_send(cx)).await;
            advanced.and(sent)?;
            if !tls.session.is_handshaking() {
                return Ok(tls);
            }
            poll_fn(|cx| tls.poll_fill(cx)).await?;
        }
    }

    /// Decrypts what has come, as long as its reader has room, and encrypts the text.
    fn advance(&mut self, reader: &mut ReadBuf<'_>, mut text: &[u8]) -> io::Result<()> {
        if let Some(fault) = &self.fault {
            return Err(invalid(fault.clone()));
        }
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.session.process_tls_records(&mut self.incoming);
            let goes_on = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        let (fits, rest) =
                            record.payload.split_at(record.payload.len().min(reader.remaining()));
                        reader.put_slice(fits);
                        self.rest.extend_from_slice(rest);
                        discard += record.discard;
                    }
                    reader.remaining() > 0 || !text.is_empty()
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.outgoing, |room| data.encode(room))?;
                    true
                }
                // It is, before anything that comes after it.
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    true
                }
                Ok(ConnectionState::WriteTraffic(mut traffic)) if !text.is_empty() => {
                    append(&mut self.outgoing, |room| traffic.encrypt(text, room))?;
                    text = &[];
                    true
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.has_ended = true;
                    true
                }
                // Nothing is left to be done until more comes.
                Ok(_) if text.is_empty() => false,
                Ok(_) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(error) => {
                    self.fault = Some(error.clone());
                    self.incoming.advance(discard);
                    let status = self.session.process_tls_records(&mut self.incoming);
                    if let Ok(ConnectionState::EncodeTlsData(mut alert)) = status.state {
                        append(&mut self.outgoing, |room| alert.encode(room))?;
                    }
                    return Err(invalid(error));
                }
            };
            self.incoming.advance(discard);
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Says that no more is sent.
    fn close(&mut self) -> io::Result<()> {
        let UnbufferedStatus { discard, state } = self.session.process_tls_records(&mut self.incoming);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
            append(&mut self.outgoing, |room| traffic.queue_close_notify(room))?;
        }
        self.incoming.advance(discard);
        Ok(())
    }

    /// Takes more from the host.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, incoming, .. } = self;
        if incoming.capacity() - incoming.len() < RECORD {
            // The beginning of a record goes to the front, where the others have been.
            incoming.reserve(AHEAD - RECORD);
        }
        match ready!(pin!(stream.read_buf(incoming)).poll(cx))? {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Writes what is encrypted.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, outgoing, .. } = self;
        while !outgoing.is_empty() {
            if ready!(pin!(stream.write_buf(outgoing)).poll(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Tls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        reader: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = reader.remaining();
        let fits = this.rest.len().min(before);
        reader.put_slice(&this.rest.split_to(fits));
        loop {
            let advanced = if reader.remaining() > 0 { this.advance(reader, &[]) } else { Ok(()) };
            // What is wrong behind this is told when it is read.
            if reader.remaining() < before || before == 0 {
                return Poll::Ready(Ok(()));
            }
            if let Err(error) = advanced {
                // The host is told why, if it listens.
                let _ = this.poll_send(cx);
                return Poll::Ready(Err(error));
            }
            if this.has_ended {
                return Poll::Ready(Ok(()));
            }
            ready!(this.poll_fill(cx))?;
        }
    }
}

impl AsyncWrite for Tls {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, text: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(text)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        let mut taken = 0;
        for part in parts {
            let (text, _) = part.split_at(part.len().min(AHEAD - taken));
            self.advance(&mut ReadBuf::new(&mut []), text)?;
            taken += text.len();
        }
        // What is not written now is before anything else is.
        match self.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.fault.is_none() && !mem::replace(&mut self.is_shut, true) {
            self.close()?;
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Appends what is written, in as much room as it needs.
fn append<E: NeedsRoom>(
    to: &mut BytesMut,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> io::Result<()> {
    let start = to.len();
    let mut written = write(&mut []);
    if let Some(room) = written.as_ref().err().and_then(E::room) {
        to.resize(start + room, 0);
        written = write(to.split_at_mut(start).1);
    }
    to.truncate(start + written.as_ref().copied().unwrap_or(0));
    written.map(drop).map_err(io::Error::other)
}

/// Why nothing was written.
trait NeedsRoom: Error + Send + Sync + 'static {
    /// How much room it needs, in bytes, if there was too little.
    fn room(&self) -> Option<usize>;
}

impl NeedsRoom for EncodeError {
    fn room(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(size) => Some(size.required_size),
            Self::AlreadyEncoded => None,
        }
    }
}

impl NeedsRoom for EncryptError {
    fn room(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(size) => Some(size.required_size),
            Self::EncryptExhausted => None,
        }
    }
}

#[cfg(test)]
mod tests;
