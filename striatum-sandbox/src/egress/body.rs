//! Bodies, which are counted, bounded and searched while they pass.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::{
    record::{Account, Way},
    refusal::Refusal,
    scan::Scan,
};

/// What an answer consists of.
pub(super) type AnswerBody = BoxBody<Bytes, Refusal>;

/// A short text.
pub(super) fn text(text: impl Into<Bytes>) -> AnswerBody {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

/// What holds for a body.
pub(super) struct Terms {
    pub(super) way: Way,
    pub(super) most: u64,
    pub(super) idle: Duration,
    /// What may not stand in it, and what it means if it does.
    pub(super) scan: Scan,
    pub(super) found: Refusal,
}

/// A body on its way through. Trailers are left out. When a term is broken, so is the message: the other side never takes what
/// came for the whole.
pub(super) struct Passing {
    inner: Incoming,
    terms: Terms,
    account: Account,
    quiet: Pin<Box<Sleep>>,
    is_over: bool,
}

impl Passing {
    pub(super) fn new(inner: Incoming, terms: Terms, account: Account) -> Self {
        let quiet = Box::pin(sleep(terms.idle));
        let is_over = inner.is_end_stream();
        Self { inner, terms, account, quiet, is_over }
    }

    fn broken(&mut self, refusal: Refusal) -> Poll<Option<Result<Frame<Bytes>, Refusal>>> {
        self.is_over = true;
        self.account.refused(refusal);
        Poll::Ready(Some(Err(refusal)))
    }

    fn over(&mut self) -> Poll<Option<Result<Frame<Bytes>, Refusal>>> {
        self.is_over = true;
        let rest = self.terms.scan.rest();
        Poll::Ready(if rest.is_empty() { None } else { Some(Ok(Frame::data(rest))) })
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = Refusal;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Refusal>>> {
        let this = &mut *self;
        while !this.is_over {
            let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) else {
                ready!(this.quiet.as_mut().poll(cx));
                let silent =
                    if this.terms.way == Way::Up { Refusal::TooSlow } else { Refusal::UpstreamSilent };
                return this.broken(silent);
            };
            let idle = this.terms.idle;
            this.quiet.as_mut().reset(Instant::now() + idle);
            let data = match frame {
                None => return this.over(),
                Some(Err(_)) if this.terms.way == Way::Up => return this.broken(Refusal::Malformed),
                Some(Err(_)) => return this.broken(Refusal::UpstreamBroken),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(_trailers) => continue,
                },
            };
            if this.account.count(this.terms.way, data.len()) > this.terms.most {
                return this.broken(Refusal::TooLarge);
            }
            match this.terms.scan.push(data) {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(_) => {
                    let found = this.terms.found;
                    return this.broken(found);
                }
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
