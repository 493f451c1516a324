//! The seal of a token: HMAC-SHA-256.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;

/// No other use of the same key gives a seal that passes for one of a token.
const DOMAIN: &[u8] = b"striatum.token.v1\0";

/// The secret that tokens are sealed with: 32 bytes. Whoever knows it can make any token.
pub struct SigningKey(SecretSlice<u8>);

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoEntropy(#[source] getrandom::Error);

impl SigningKey {
    /// A key that was kept, so that tokens outlive a restart.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes.to_vec().into())
    }

    /// A new key. Tokens that it seals are worth nothing once it is gone.
    ///
    /// # Errors
    /// [`NoEntropy`].
    pub fn generate() -> Result<Self, NoEntropy> {
        random().map(Self::from_bytes)
    }

    pub(super) fn seal(&self, payload: &[u8]) -> Vec<u8> {
        self.mac(payload).finalize().into_bytes().to_vec()
    }

    /// Compares in a time that does not depend on where the two differ.
    pub(super) fn is_sealed(&self, payload: &[u8], seal: &[u8]) -> bool {
        self.mac(payload).verify_slice(seal).is_ok()
    }

    fn mac(&self, payload: &[u8]) -> Hmac<Sha256> {
        let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
        for (byte, secret) in key.iter_mut().zip(self.0.expose_secret()) {
            *byte = *secret;
        }
        let mut mac = Hmac::new(&key);
        mac.update(DOMAIN);
        mac.update(payload);
        mac
    }
}

/// A secret that is shared with whoever receives messages, so that they know whom these are from.
///
/// ```
/// use striatum_server::authority::SharedSecret;
///
/// // The second case of RFC 4231.
/// let signature = SharedSecret::new("Jefe").sign(b"what do ya want for nothing?");
/// assert_eq!(signature, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
/// ```
pub struct SharedSecret(SecretSlice<u8>);

impl SharedSecret {
    /// A secret, as both sides keep it.
    pub fn new(secret: impl Into<Vec<u8>>) -> Self {
        Self(secret.into().into())
    }

    /// HMAC-SHA-256 of a message, in hexadecimal.
    pub fn sign(&self, message: &[u8]) -> String {
        // A key of any length is one.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()) else {
            return String::new();
        };
        mac.update(message);
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoEntropy)?;
    Ok(bytes)
}
