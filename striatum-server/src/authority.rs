//! Who may do what: signed tokens that expire and can be revoked.
//!
//! A token names its [`Scope`] and is sealed by an HMAC, so nobody can widen one. A scope is one of three kinds, and no kind
//! stands in for another: an operator's token opens no session's tools, however much it may do.

mod scope;
mod seal;
mod token;

pub use scope::{Capabilities, Capability, ClaimScope, OperatorScope, Scope};
pub(crate) use seal::random;
pub use seal::{NoEntropy, SharedSecret, SigningKey};
pub use token::{Authority, Bearer, Denied, Issued, TokenId};
