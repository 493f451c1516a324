//! The reading end of an agent's output.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use striatum_core::sandbox::{Exit, Limits, Output, SandboxError};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::compat::TokioAsyncReadCompatExt;

/// As much as a pipe can hold for a user without privileges.
const PIPE_BYTES: u64 = 1 << 20;

/// What a process writes to one of its streams, as its limits allow. It ends a grace after the process at the latest.
pub(crate) fn bounded(
    stream: impl AsyncRead + Unpin + Send + 'static,
    ended: impl Future<Output = Result<Exit, SandboxError>> + Send + 'static,
    limits: &Limits,
) -> Output {
    let grace = limits.grace;
    let over = async move {
        let _ = ended.await;
        tokio::time::sleep(grace).await;
    };
    Box::pin(Bounded::new(stream, limits.output_bytes, over).compat())
}

/// Passes on a stream up to a limit, then reads on and throws away, so that the process does not block. It ends with the
/// stream, or once `over` is: a daemon that inherited the stream may hold it open for ever.
struct Bounded<R> {
    stream: R,
    left: u64,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Set once `over` is: what the agent wrote before its end may still be in the pipe, and no more than this.
    rest: Option<u64>,
}

impl<R> Bounded<R> {
    fn new(stream: R, limit: u64, over: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { stream, left: limit, over: Box::pin(over), rest: None }
    }
}

impl<R> fmt::Debug for Bounded<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("left", &self.left).finish_non_exhaustive()
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if this.rest.is_none() && this.over.as_mut().poll(cx).is_ready() {
                this.rest = Some(PIPE_BYTES);
            }
            if this.rest == Some(0) {
                return Poll::Ready(Ok(()));
            }
            let mut space = [0; 8192];
            // Nothing that is to be passed on may be left over.
            let wanted = if this.left > 0 { space.len().min(buf.remaining()) } else { space.len() };
            let mut chunk = ReadBuf::new(space.get_mut(..wanted).unwrap_or_default());
            match Pin::new(&mut this.stream).poll_read(cx, &mut chunk) {
                Poll::Pending if this.rest.is_some() => {
                    this.rest = Some(0);
                    continue;
                }
                answer => ready!(answer)?,
            }
            let got = chunk.filled();
            if got.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let length = u64::try_from(got.len()).unwrap_or(u64::MAX);
            this.rest = this.rest.map(|rest| rest.saturating_sub(length));
            let pass = usize::try_from(this.left.min(length)).unwrap_or(got.len());
            this.left = this.left.saturating_sub(length);
            if pass > 0 {
                buf.put_slice(got.get(..pass).unwrap_or(got));
                return Poll::Ready(Ok(()));
            }
        }
    }
}
