//! What the core never fetches by itself: chance and time.

use std::time::SystemTime;

use striatum_core::time::Timestamp;

/// A new identity: 128 bits that nobody can guess.
pub(crate) fn mint<T>(identity: fn([u8; 16]) -> T) -> Result<T, getrandom::Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)?;
    Ok(identity(bits))
}

/// The host's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().after(since)
}
