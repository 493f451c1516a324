//! One request, from the agent to the model's host and back.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Incoming,
    header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderValue},
};
use secrecy::SecretString;
use striatum_core::transport::Outcome;
use tokio::time::timeout;

use super::{
    answer::{Answer, Echo, passed_headers},
    gate::Admitted,
    ledger::Charge,
    limit,
    provider::Asks,
    refusal::Refusal,
    session::Desk,
};
use crate::upstream::Arriving;

/// No more of an answer that is no success is passed on.
const COMPLAINT: usize = 1 << 20;

/// Answers a request, one way or another.
pub(super) async fn answer(
    desk: Arc<Desk>,
    request: Request<Incoming>,
) -> Result<Response<Either<Full<Bytes>, Answer>>, Infallible> {
    Ok(match exchange(&desk, request).await {
        Ok(response) => response,
        Err(refusal) => {
            tracing::info!(code = refusal.code(), "{}", refusal.sentence());
            refusal.answer(desk.settings.provider).map(Either::Left)
        }
    })
}

async fn exchange(
    desk: &Desk,
    request: Request<Incoming>,
) -> Result<Response<Either<Full<Bytes>, Answer>>, Refusal> {
    let settings = &desk.settings;
    let (head, body) = request.into_parts();
    let admitted = Admitted::head(settings.provider, desk.placeholder.reveal(), &head)?;
    let slot = desk.slots.clone().try_acquire_owned().map_err(|_| Refusal::Crowd)?;
    let body = read(desk, body).await?;
    admitted.body(settings, &body)?;
    let charge = match admitted.asks {
        Asks::Model => Some(desk.ledger.admit(&desk.budget, body.len())?),
        Asks::Count | Asks::Models => None,
    };

    let mut headers = HeaderMap::new();
    settings.provider.pass(&head.headers, &mut headers);
    // What is packed cannot be counted.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut sent = Request::new(Full::new(body));
    (*sent.method_mut(), *sent.headers_mut()) = (head.method, headers);
    let asking = Asking { desk, admitted: &admitted, request: sent, charge };
    let Asked { response, secret, mut charge } = asking.ask().await?;

    let status = response.status();
    if status.is_informational() || status.is_redirection() {
        charge.iter_mut().for_each(Charge::waive);
        return Err(Refusal::Upstream("it leads elsewhere, and nobody follows"));
    }
    if status.is_success() {
        desk.ledger.answered();
        let echo = Echo::of(&secret);
        let headers = passed_headers(response.headers(), &echo);
        let answer = Answer::new(response.into_body(), &headers, charge, slot, echo, &settings.limits);
        let mut passed = Response::new(Either::Right(answer));
        (*passed.status_mut(), *passed.headers_mut()) = (status, headers);
        return Ok(passed);
    }
    charge.iter_mut().for_each(Charge::waive);
    complain(desk, response, &secret).await
}

/// Reads a request's body, as long as it may be and in the time that it has.
async fn read(desk: &Desk, body: Incoming) -> Result<Bytes, Refusal> {
    let limits = &desk.settings.limits;
    let collected = timeout(limits.arrival, Limited::new(body, limits.body_bytes).collect()).await;
    let collected =
        collected.map_err(|_| Refusal::TooSlow)?.map_err(|error| match error.is::<LengthLimitError>() {
            true => Refusal::TooLong(limits.body_bytes),
            false => Refusal::Malformed("its body is cut off"),
        })?;
    Ok(collected.to_bytes())
}

/// A request that is let through, on its way.
struct Asking<'a> {
    desk: &'a Desk,
    admitted: &'a Admitted,
    request: Request<Full<Bytes>>,
    charge: Option<Charge>,
}

/// What came of it, and with which credential.
struct Asked {
    response: Response<Arriving>,
    secret: Arc<SecretString>,
    charge: Option<Charge>,
}

impl Asking<'_> {
    /// Asks; once more if the credential is refused and there is another by now.
    async fn ask(mut self) -> Result<Asked, Refusal> {
        let credential = &self.desk.settings.credential;
        let secret = credential.get().await.map_err(|error| self.without_credential(&error))?;
        self.charge.iter_mut().for_each(Charge::sent);
        let response = self.send(&secret).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(Asked { response, secret, charge: self.charge });
        }
        let other = credential.other_than(&secret).await.map_err(|error| self.without_credential(&error))?;
        match other {
            None => Ok(Asked { response, secret, charge: self.charge }),
            Some(secret) => {
                tracing::info!(
                    "the model's host refused a credential; asking with the one that took its place"
                );
                let response = self.send(&secret).await?;
                Ok(Asked { response, secret, charge: self.charge })
            }
        }
    }

    fn without_credential(&self, error: &crate::credential::CredentialError) -> Refusal {
        tracing::warn!(code = error.kind.code(), remedy = error.remedy, "{error}");
        self.desk.ledger.trouble(Outcome::AuthNeeded);
        Refusal::Credential
    }

    async fn send(&mut self, secret: &SecretString) -> Result<Response<Arriving>, Refusal> {
        let settings = &self.desk.settings;
        let mut request = self.request.clone();
        self.admitted.authorise(secret, request.headers_mut())?;
        let asked =
            timeout(settings.limits.answer, settings.upstream.ask(&self.admitted.place, request)).await;
        let refusal = match asked {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => {
                tracing::warn!(%error, host = settings.upstream.host(), "a model's host gave no answer");
                self.charge.iter_mut().for_each(Charge::waive);
                Refusal::Upstream("it cannot be reached, or does not speak HTTP")
            }
            Err(_) => Refusal::UpstreamSlow,
        };
        self.desk.ledger.trouble(Outcome::Overloaded);
        Err(refusal)
    }
}

/// Passes on an answer that is no success, and notes what it says of the session's standing.
async fn complain(
    desk: &Desk,
    response: Response<Arriving>,
    secret: &SecretString,
) -> Result<Response<Either<Full<Bytes>, Answer>>, Refusal> {
    let (head, body) = response.into_parts();
    let read = timeout(desk.settings.limits.silence, Limited::new(body, COMPLAINT).collect()).await;
    let body = read.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let trouble = match head.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(Outcome::AuthNeeded),
        StatusCode::TOO_MANY_REQUESTS => Some(Outcome::RateLimited(limit::reset(&head.headers, &body))),
        status if status.is_server_error() => Some(Outcome::Overloaded),
        _ => None,
    };
    if let Some(trouble) = trouble {
        tracing::info!(
            status = head.status.as_u16(),
            trouble = trouble.code(),
            "a model's host refuses a session"
        );
        desk.ledger.trouble(trouble);
    }
    // Some hosts say which credential it was that they refuse.
    if head.status == StatusCode::UNAUTHORIZED {
        return Err(Refusal::NotLetIn);
    }
    let echo = Echo::of(secret);
    if echo.is_in(&body) {
        return Err(Refusal::Upstream("its answer repeated what is not for agents"));
    }
    let mut passed = Response::new(Either::Left(Full::new(body)));
    (*passed.status_mut(), *passed.headers_mut()) = (head.status, passed_headers(&head.headers, &echo));
    passed.headers_mut().entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    Ok(passed)
}
