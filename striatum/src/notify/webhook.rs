//! Telling by a request over HTTP.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Uri};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use striatum_server::authority::SharedSecret;

use super::{Call, Notifier, NotifyError, to_json};

/// How long a receiver has to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Tells by `POST` to an address, with the [`Call`] as JSON. Somebody was told if the answer is a success.
///
/// The header `striatum-signature` is `sha256=` and the HMAC-SHA-256 of the body under the shared secret, in hexadecimal;
/// `striatum-delivery` is the id of the call. It speaks plain HTTP, to a receiver or a relay on a network that you trust; where TLS is
/// needed, [`NotifyCommand`](super::NotifyCommand) with `curl` does it.
pub struct Webhook {
    client: Client<HttpConnector, Full<Bytes>>,
    address: Uri,
    secret: SharedSecret,
}

impl Webhook {
    /// A receiver that knows the secret.
    ///
    /// # Errors
    /// [`NotifyError`] if the address is none, or not one of plain HTTP.
    pub fn new(address: &str, secret: SharedSecret) -> Result<Self, NotifyError> {
        let wrong = || NotifyError::new(format!("tell {address}"));
        let address: Uri =
            address.parse().map_err(|error: hyper::http::uri::InvalidUri| wrong().because(error))?;
        if address.scheme_str() != Some("http") || address.host().is_none() {
            return Err(wrong().because("only http:// is spoken"));
        }
        Ok(Self { client: Client::builder(TokioExecutor::new()).build_http(), address, secret })
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("address", &self.address).finish_non_exhaustive()
    }
}

#[async_trait]
impl Notifier for Webhook {
    async fn tell(&self, call: &Call) -> Result<(), NotifyError> {
        let failed = || NotifyError::new(format!("tell {}", self.address));
        let body = to_json(call)?;
        let request = Request::post(self.address.clone())
            .header("content-type", "application/json")
            .header("striatum-delivery", call.id.to_string())
            .header("striatum-signature", format!("sha256={}", self.secret.sign(&body)))
            .body(Full::from(body))
            .map_err(|error| failed().because(error))?;
        let answered = tokio::time::timeout(PATIENCE, self.client.request(request)).await;
        let response =
            answered.map_err(|error| failed().because(error))?.map_err(|error| failed().because(error))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(failed().because(format!("it answered {status}"))),
        }
    }
}
