//! Telling by a request over HTTP.

use std::{error::Error, fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Uri};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use striatum_sandbox::upstream::{Connector, Trust, UpstreamError};
use striatum_server::authority::SharedSecret;

use super::{Call, Notifier, NotifyError, to_json};

#[cfg(test)]
mod tests;

/// How long a receiver has to answer, from the first packet to its status.
const PATIENCE: Duration = Duration::from_secs(15);

/// Tells by `POST` to an address, with the [`Call`] as JSON. Somebody was told if the answer is a success.
///
/// - The header `striatum-signature` is `sha256=` and the HMAC-SHA-256 of the body under the shared secret, in hexadecimal;
///   `striatum-delivery` is the id of the call, the same in every repetition.
/// - Over `https` the receiver's certificate must be given out by somebody whom this host believes, or whom [`trusting`](Self::trusting)
///   names, and for this name. What is `http` is sent as it is, so keep it to a receiver or a relay on a network that you trust.
/// - Nobody was told, and it is told again, after any other answer, a redirect among them, which is not followed; after a
///   certificate that is not believed; and after 15 seconds.
/// - Logs and errors name the receiver's host alone, since what else is in an address is often a secret.
///
/// ```
/// use striatum::{notify::Webhook, server::authority::SharedSecret};
///
/// let secret = SharedSecret::new("both sides know it");
/// let webhook = Webhook::new("http://127.0.0.1:9000/striatum/4f2a", secret)?;
/// assert_eq!(format!("{webhook:?}"), r#"Webhook { receiver: "127.0.0.1:9000", .. }"#);
/// # Ok::<(), striatum::notify::NotifyError>(())
/// ```
pub struct Webhook {
    client: Client<Connector, Full<Bytes>>,
    address: Uri,
    secret: SharedSecret,
}

impl Webhook {
    /// A receiver that knows the secret. Over `https` it is believed if this host's user would.
    ///
    /// # Errors
    /// [`NotifyError`] if the address is none of `http` or `https`, holds a user or a password, or needs TLS on a host that names no
    /// authority.
    pub fn new(address: &str, secret: SharedSecret) -> Result<Self, NotifyError> {
        let address = parse(address)?;
        let trust = if is_encrypted(&address) { Trust::of_this_host() } else { Trust::of_nobody() };
        Self::with(address, secret, trust)
    }

    /// One that is believed if these authorities vouch for it, and no others: those of a private network, say.
    ///
    /// # Errors
    /// [`NotifyError`] as [`new`](Self::new), or if the address has no TLS, by which nobody could be believed.
    pub fn trusting(address: &str, secret: SharedSecret, trust: Trust) -> Result<Self, NotifyError> {
        let address = parse(address)?;
        if !is_encrypted(&address) {
            return Err(refused("it does not begin with https://, so there is nobody to believe"));
        }
        Self::with(address, secret, Ok(trust))
    }

    fn with(
        address: Uri,
        secret: SharedSecret,
        trust: Result<Trust, UpstreamError>,
    ) -> Result<Self, NotifyError> {
        let trust = trust.map_err(|error| NotifyError::new("speak TLS to a webhook").because(error))?;
        // Calls are rare, and a connection that the receiver has given up meanwhile would cost one.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(trust.connector());
        Ok(Self { client, address, secret })
    }

    /// Who is told: the host, with its port if there is one. What else is in the address is nobody else's business.
    pub fn receiver(&self) -> &str {
        self.address.authority().map_or("", |authority| authority.as_str())
    }
}

fn parse(address: &str) -> Result<Uri, NotifyError> {
    let address: Uri = address.parse().map_err(|_| refused("it is no URL"))?;
    if !matches!(address.scheme_str(), Some("http" | "https")) {
        return Err(refused("its scheme is neither https nor http"));
    }
    match address.authority() {
        Some(authority) if authority.as_str().contains('@') => Err(refused("it holds a user or a password")),
        Some(authority) if !authority.host().is_empty() => Ok(address),
        _ => Err(refused("it has no host")),
    }
}

/// Why an address is none; it is not repeated.
fn refused(why: &str) -> NotifyError {
    NotifyError::new("use the address of a webhook").because(why)
}

fn is_encrypted(address: &Uri) -> bool {
    address.scheme_str() == Some("https")
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("receiver", &self.receiver()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Notifier for Webhook {
    async fn tell(&self, call: &Call) -> Result<(), NotifyError> {
        let failed = |why: Box<dyn Error + Send + Sync>| {
            NotifyError::new(format!("tell {}", self.receiver())).because(why)
        };
        let body = to_json(call)?;
        let request = Request::post(self.address.clone())
            .header("content-type", "application/json")
            .header("striatum-delivery", call.id.to_string())
            .header("striatum-signature", format!("sha256={}", self.secret.sign(&body)))
            .body(Full::from(body))
            .map_err(|error| failed(error.into()))?;
        let answered = tokio::time::timeout(PATIENCE, self.client.request(request)).await;
        let answered = answered
            .map_err(|_| failed(format!("it did not answer within {} s", PATIENCE.as_secs()).into()))?;
        match answered.map_err(|error| failed(error.into()))?.status() {
            status if status.is_success() => Ok(()),
            status => Err(failed(format!("it answered {status}").into())),
        }
    }
}
