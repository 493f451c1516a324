//! Who asks.

use striatum_core::{id::ChainId, run::Actor, time::Timestamp};

use super::problem::{Fault, Problem};
use crate::audit::Asker;
use crate::authority::{Bearer, Capabilities, Capability, Denied, OperatorScope, Scope, TokenId};

/// An operator who showed a valid token.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) token: TokenId,
    /// In whose name commands are given.
    pub(super) actor: Actor,
    /// The only repository that is seen; nothing for all that are served.
    pub(super) repository: Option<ChainId>,
    pub(super) capabilities: Capabilities,
    /// Until when the token is valid.
    pub(super) expires_at: Timestamp,
}

impl Caller {
    /// Who asks, for the audit.
    pub(super) fn asker(&self) -> Asker {
        Asker { token: self.token, actor: self.actor.clone(), repository: self.repository.clone() }
    }

    /// Fails if the token does not have the capability.
    pub(super) fn expect(&self, capability: Capability) -> Result<(), Problem> {
        if self.capabilities.allows(capability) {
            return Ok(());
        }
        Err(Problem::new(
            Fault::CapabilityMissing,
            format!("the token does not have the capability {capability}"),
        ))
    }
}

impl TryFrom<Bearer> for Caller {
    type Error = Denied;
    fn try_from(bearer: Bearer) -> Result<Self, Denied> {
        match bearer.scope {
            // A session acts by its grant alone, never as an operator, whatever a token says.
            Scope::Operator(OperatorScope { actor: Actor::Session(_), .. }) => Err(Denied::OutOfScope),
            Scope::Operator(OperatorScope { actor, repository, capabilities }) => {
                Ok(Self { token: bearer.id, actor, repository, capabilities, expires_at: bearer.expires_at })
            }
            Scope::Session(_) | Scope::Claim(_) => Err(Denied::OutOfScope),
        }
    }
}
