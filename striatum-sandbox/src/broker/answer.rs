//! An answer on its way to the agent: passed on as it comes, and read on the way.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::{
    HeaderMap,
    header::{self, HeaderName},
};
use memchr::memmem;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep},
};

use super::{Limits, ledger::Charge, usage::Reader};
use crate::upstream::Arriving;

/// What belongs to a connection and not to an answer, and what would have an agent remember or trust something of the host.
const KEPT_BACK: [HeaderName; 14] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONTENT_LENGTH,
    header::SET_COOKIE,
    header::LOCATION,
    header::ALT_SVC,
    header::STRICT_TRANSPORT_SECURITY,
];

/// The headers of an answer that travel on to the agent.
pub(super) fn passed_headers(from: &HeaderMap, echo: &Echo) -> HeaderMap {
    let named = |name: &HeaderName| {
        let values = from.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .any(|other| other.trim().eq_ignore_ascii_case(name.as_str()))
    };
    let travels =
        |name: &HeaderName, value: &[u8]| !KEPT_BACK.contains(name) && !named(name) && !echo.is_in(value);
    let passed = from.iter().filter(|(name, value)| travels(name, value.as_bytes()));
    passed.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Finds a credential that a host repeats.
#[derive(Debug)]
pub(super) struct Echo {
    finder: memmem::Finder<'static>,
    /// The end of what was searched so far, in which one may begin.
    tail: Vec<u8>,
}

impl Echo {
    pub(super) fn of(secret: &SecretString) -> Self {
        let finder = memmem::Finder::new(secret.expose_secret().as_bytes()).into_owned();
        Self { finder, tail: Vec::new() }
    }

    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        self.finder.find(text).is_some()
    }

    /// Whether it is in this part of a text or ends in it.
    fn ends_in(&mut self, part: &[u8]) -> bool {
        let most = self.finder.needle().len().saturating_sub(1);
        let (start, end) = (part.len().min(most), part.len().saturating_sub(most));
        self.tail.extend_from_slice(part.get(..start).unwrap_or_default());
        let found = self.is_in(&self.tail) || self.is_in(part);
        if end > 0 {
            self.tail.clear();
            self.tail.extend_from_slice(part.get(end..).unwrap_or_default());
        } else {
            self.tail.drain(..self.tail.len().saturating_sub(most));
        }
        found
    }
}

/// The body of a successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    body: Arriving,
    reader: Reader,
    echo: Echo,
    /// What the answer will have cost; nothing if it is of no model.
    charge: Option<Charge>,
    silence: Duration,
    /// When its host was silent for too long.
    silent: Pin<Box<Sleep>>,
    /// When it took too long in all.
    over: Pin<Box<Sleep>>,
    /// Something was passed on since it was last waited for, and may not be written yet.
    has_passed: bool,
    /// Why it breaks off, once that is written.
    broken: Option<io::Error>,
    _slot: OwnedSemaphorePermit,
}

impl Answer {
    pub(super) fn new(
        body: Arriving,
        headers: &HeaderMap,
        charge: Option<Charge>,
        slot: OwnedSemaphorePermit,
        echo: Echo,
        limits: &Limits,
    ) -> Self {
        let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
        let reader = Reader::new(kind.starts_with(b"text/event-stream"));
        let silence = limits.silence;
        let (silent, over) = (Box::pin(sleep(silence)), Box::pin(sleep(limits.whole)));
        let (has_passed, broken) = (false, None);
        Self { body, reader, echo, charge, silence, silent, over, has_passed, broken, _slot: slot }
    }

    /// Breaks off, behind what came before: whoever writes it forgets what is not written when it fails, and writes when there is nothing
    /// more to be had.
    fn break_off(
        &mut self,
        error: io::Error,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if !std::mem::take(&mut self.has_passed) {
            return Poll::Ready(Some(Err(error)));
        }
        self.broken = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Books what it cost, whether it came to its end or not.
    fn settle(&mut self, is_whole: bool) {
        let (told, guess) = (self.reader.spend(), self.reader.guess());
        if let Some(charge) = &mut self.charge {
            match told {
                Some(told) if is_whole => charge.settle(told),
                told => charge.guess(told, guess),
            }
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_pending() {
            self.has_passed = false;
            let is_late = self.silent.as_mut().poll(cx).is_ready() || self.over.as_mut().poll(cx).is_ready();
            return match is_late {
                true => Poll::Ready(Some(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the model's host takes too long for its answer",
                )))),
                false => Poll::Pending,
            };
        }
        match ready!(polled) {
            None => {
                self.settle(true);
                Poll::Ready(None)
            }
            Some(Err(error)) => self.break_off(io::Error::other(error), cx),
            Some(Ok(frame)) => {
                let (silence, Ok(data)) = (self.silence, frame.into_data()) else {
                    // Nobody waits for trailers.
                    return Poll::Ready(None);
                };
                self.silent.as_mut().reset(Instant::now() + silence);
                if self.echo.ends_in(&data) {
                    tracing::warn!("a model's host repeated its credential; its answer was cut off");
                    let error = io::Error::other("the answer repeated what is not for agents");
                    return self.break_off(error, cx);
                }
                self.has_passed = true;
                self.reader.read(&data);
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    /// Whoever hangs up has read what came until then.
    fn drop(&mut self) {
        self.settle(self.body.is_end_stream());
    }
}
