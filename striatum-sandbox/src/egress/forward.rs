//! One request, to one host.

use std::{pin::pin, time::Duration};

use http_body_util::BodyExt as _;
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Body as _, Incoming},
    header::{CONTENT_LENGTH, HeaderMap},
};
use tokio::time::timeout;

use super::{
    body::{AnswerBody, Passing, Terms},
    head,
    host::Authority,
    link::Link,
    placeholder::Used,
    record::{Account, Way},
    refusal::Refusal,
    rule::Scheme,
    rules::Door,
    scan::{Scan, Wanted},
    server::Session,
};

/// Where requests of a connection go, and what holds for them.
pub(super) struct Route<'a> {
    pub(super) session: &'a Session,
    pub(super) scheme: Scheme,
    pub(super) authority: &'a Authority,
    pub(super) door: &'a Door,
}

impl Route<'_> {
    /// Judges a request: what is sent in its stead, and what may not come back.
    pub(super) async fn judge(
        &self,
        request: Request<Incoming>,
        account: &Account,
    ) -> Result<(Request<Passing>, Used), Refusal> {
        let Session { placeholders, limits, .. } = self.session;
        head::agrees(&request, self.authority, self.scheme.port())?;
        head::is_plain(&request)?;
        let target = head::target(request.uri())?;
        let rules = self.door.judge(request.method(), &target)?;
        if let Some(closest) = rules.first() {
            account.allowed_by(closest);
        }
        if !placeholders.wanted().all_in(target.to_string().as_bytes()).is_empty() {
            return Err(Refusal::PlaceholderMisplaced);
        }
        if request.body().size_hint().lower() > limits.up_bytes {
            return Err(Refusal::TooLarge);
        }
        let (mut parts, body) = request.into_parts();
        head::strip(&mut parts.headers);
        let used = placeholders.substitute(&mut parts.headers, &rules).await?;
        head::readdress(&mut parts.headers, self.scheme, self.authority, !used.is_empty());
        parts.uri = target;
        parts.version = Version::HTTP_11;
        let terms = Terms {
            way: Way::Up,
            most: limits.up_bytes,
            idle: limits.idle_time,
            scan: Scan::new(placeholders.wanted().clone()),
            found: Refusal::PlaceholderMisplaced,
        };
        Ok((Request::from_parts(parts, Passing::new(body, terms, account.clone())), used))
    }

    /// Sends it, and passes the answer back.
    pub(super) async fn send(
        &self,
        (request, used): (Request<Passing>, Used),
        link: &mut Link,
        account: &Account,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let limits = self.session.limits;
        let is_head = request.method() == Method::HEAD;
        let answered = answer_of(link, request, account, limits.answer_time).await;
        // A body that was broken off says why better than the connection that broke with it.
        let response = answered.map_err(|refusal| account.refusal().unwrap_or(refusal))?;
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Refusal::UpgradeRefused);
        }
        if status == StatusCode::UNAUTHORIZED {
            used.renew().await;
        }
        let secrets = used.wanted();
        let (mut parts, body) = response.into_parts();
        head::strip(&mut parts.headers);
        if !is_head && status != StatusCode::NOT_MODIFIED {
            // What is passed on is framed anew, by what was read.
            parts.headers.remove(CONTENT_LENGTH);
        }
        if repeats(&parts.headers, &secrets) {
            return Err(Refusal::SecretReflected);
        }
        account.answered(status);
        let terms = Terms {
            way: Way::Down,
            most: limits.down_bytes,
            idle: limits.idle_time,
            scan: Scan::new(secrets),
            found: Refusal::SecretReflected,
        };
        Ok(Response::from_parts(parts, Passing::new(body, terms, account.clone()).boxed()))
    }
}

/// Waits for the answer for as long as the request is still being sent, and then no longer than `patience`.
async fn answer_of(
    link: &mut Link,
    request: Request<Passing>,
    account: &Account,
    patience: Duration,
) -> Result<Response<Incoming>, Refusal> {
    let mut answer = pin!(link.send(request));
    loop {
        let sent = account.count(Way::Up, 0);
        match timeout(patience, answer.as_mut()).await {
            Ok(answered) => return answered,
            Err(_) if account.count(Way::Up, 0) == sent => return Err(Refusal::UpstreamSilent),
            Err(_) => {}
        }
    }
}

/// Whether one of the secrets stands in the head of an answer.
fn repeats(headers: &HeaderMap, secrets: &Wanted) -> bool {
    let is_in = |bytes: &[u8]| !secrets.all_in(bytes).is_empty();
    headers.iter().any(|(name, value)| is_in(name.as_str().as_bytes()) || is_in(value.as_bytes()))
}
