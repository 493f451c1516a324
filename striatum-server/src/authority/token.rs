//! Issuing, checking and revoking tokens.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use striatum_core::time::{Clock, Timestamp};

use crate::{
    Refusal,
    authority::{NoEntropy, Scope, SigningKey, seal},
    refusal::Code,
};

/// What every token begins with, so that one that leaked is recognised.
const PREFIX: &str = "striatum_";
/// No token is longer.
const MAX_CHARACTERS: usize = 4096;

/// Issues, checks and revokes tokens.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use striatum_core::{run::Actor, time::Timestamp};
/// use striatum_server::authority::{Authority, Capabilities, Capability, OperatorScope, Scope, SigningKey};
/// use secrecy::ExposeSecret as _;
///
/// let authority = Authority::new(SigningKey::generate()?, Arc::new(|| Timestamp::from_micros(0)));
/// let scope = Scope::Operator(OperatorScope {
///     actor: Actor::Human("ada".to_owned()),
///     repository: None,
///     capabilities: Capabilities::of([Capability::Read]),
/// });
/// let issued = authority.issue(scope.clone(), Duration::from_secs(60))?;
/// assert_eq!(authority.check(issued.secret.expose_secret())?.scope, scope);
///
/// authority.revoke(issued.id, issued.expires_at);
/// assert!(authority.check(issued.secret.expose_secret()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Authority {
    key: SigningKey,
    clock: Arc<dyn Clock>,
    /// Until when each would have been valid.
    revoked: Mutex<HashMap<TokenId, Timestamp>>,
}

/// Names a token, in logs and for revoking it. It opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId([u8; 16]);

/// A token that was issued. Its text is shown once and kept nowhere.
#[derive(Debug)]
#[non_exhaustive]
pub struct Issued {
    /// Its name.
    pub id: TokenId,
    /// Until when it is valid.
    pub expires_at: Timestamp,
    /// Its text, for the header `Authorization: Bearer …`.
    pub secret: SecretString,
}

/// Somebody who showed a valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bearer {
    /// The token.
    pub id: TokenId,
    /// What it opens.
    pub scope: Scope,
    /// Until when it is valid.
    pub expires_at: Timestamp,
}

/// Why a token opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// There is none.
    #[error("there is no bearer token")]
    Missing,
    /// It was not issued here.
    #[error("the token was not issued here")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// It is valid, and for something else.
    #[error("the token does not open this")]
    OutOfScope,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    id: TokenId,
    expires_at: Timestamp,
    scope: Scope,
}

impl Authority {
    /// An authority with this key. `clock` says when a token has expired.
    pub fn new(key: SigningKey, clock: Arc<dyn Clock>) -> Self {
        Self { key, clock, revoked: Mutex::default() }
    }

    /// Issues a token.
    ///
    /// # Errors
    /// [`NoEntropy`].
    pub fn issue(&self, scope: Scope, valid_for: Duration) -> Result<Issued, NoEntropy> {
        let id = TokenId(seal::random()?);
        let expires_at = self.clock.now().after(valid_for);
        // Structs of names, numbers and texts always serialise.
        let payload = serde_json::to_vec(&Payload { id, expires_at, scope }).unwrap_or_default();
        let seal = self.key.seal(&payload);
        let text = format!("{PREFIX}{}.{}", URL_SAFE_NO_PAD.encode(&payload), URL_SAFE_NO_PAD.encode(seal));
        Ok(Issued { id, expires_at, secret: text.into() })
    }

    /// Says who shows this token.
    ///
    /// # Errors
    /// [`Denied::Invalid`], [`Denied::Expired`] or [`Denied::Revoked`].
    pub fn check(&self, token: &str) -> Result<Bearer, Denied> {
        let Payload { id, expires_at, scope } = self.open(token).ok_or(Denied::Invalid)?;
        self.expect_valid(id, expires_at)?;
        Ok(Bearer { id, scope, expires_at })
    }

    /// Says whether a token that was checked before is valid still.
    ///
    /// # Errors
    /// [`Denied::Expired`] or [`Denied::Revoked`].
    pub fn expect_valid(&self, token: TokenId, expires_at: Timestamp) -> Result<(), Denied> {
        if self.clock.now() >= expires_at {
            return Err(Denied::Expired);
        }
        if self.revoked().contains_key(&token) {
            return Err(Denied::Revoked);
        }
        Ok(())
    }

    /// For how long a token that was checked before is still valid; nothing if it is not.
    pub fn remaining(&self, bearer: &Bearer) -> Option<Duration> {
        let remaining = bearer.expires_at.since(self.clock.now());
        (!remaining.is_zero() && !self.revoked().contains_key(&bearer.id)).then_some(remaining)
    }

    /// Makes a token worthless at once. Revocations are kept in memory, as long as the token would have been valid: whoever keeps the
    /// key over a restart keeps them too, and gives them again.
    pub fn revoke(&self, token: TokenId, expires_at: Timestamp) {
        let now = self.clock.now();
        let mut revoked = self.revoked();
        revoked.retain(|_, until| *until > now);
        revoked.insert(token, expires_at);
    }

    fn open(&self, token: &str) -> Option<Payload> {
        let (payload, seal) = token.strip_prefix(PREFIX)?.split_once('.')?;
        if token.len() > MAX_CHARACTERS {
            return None;
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
        // Nothing of it is parsed before it is known to be ours.
        self.key.is_sealed(&payload, &seal).then(|| serde_json::from_slice(&payload).ok()).flatten()
    }

    fn revoked(&self) -> std::sync::MutexGuard<'_, HashMap<TokenId, Timestamp>> {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for TokenId {
    type Error = Denied;
    fn try_from(text: String) -> Result<Self, Denied> {
        text.parse()
    }
}

impl std::str::FromStr for TokenId {
    type Err = Denied;
    fn from_str(text: &str) -> Result<Self, Denied> {
        if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(Denied::Invalid);
        }
        u128::from_str_radix(text, 16).map(|bits| Self(bits.to_be_bytes())).map_err(|_| Denied::Invalid)
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let code = match denied {
            Denied::Missing => Code::TokenMissing,
            Denied::Invalid => Code::TokenInvalid,
            Denied::Expired => Code::TokenExpired,
            Denied::Revoked => Code::TokenRevoked,
            Denied::OutOfScope => Code::TokenScope,
        };
        code.because(denied.to_string())
    }
}
