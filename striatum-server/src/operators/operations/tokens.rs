//! Issuing and revoking tokens, for operators and for agents that pull, and reading what was asked of this server. No token is there by
//! default.

use std::time::Duration;

use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use striatum_core::{
    chain::{Position, Sealed},
    id::{ChainId, LaneId, RoleId},
    run::Actor,
};

use super::reading::EventView;
use crate::{
    audit,
    authority::{Capabilities, Capability, ClaimScope, OperatorScope, Scope, TokenId},
    operators::{
        desk::Made,
        operation::{Operation, Request},
        page::{Page, Part},
        problem::{Fault, Problem},
        view::moment,
    },
};

/// How long a token is valid at most.
const LONGEST: u64 = 366 * 24 * 3600;

pub(super) fn operations() -> Vec<Operation> {
    // Tokens would stand in the context of a model, and on the way there.
    vec![
        Operation::changes(
            "issue_token",
            "/v1/tokens",
            Capability::Admin,
            "Issues an operator's token that may do no more than the one that asks for it. Its text is shown once.",
            issue,
        )
        .hidden_from_tools(),
        Operation::changes(
            "issue_claim_token",
            "/v1/claim-tokens",
            Capability::Claim,
            "Issues a token with which agents pull the jobs of one role in one lane. Its text is shown once.",
            issue_claim,
        )
        .hidden_from_tools(),
        Operation::changes(
            "revoke_token",
            "/v1/tokens/{token}/revoke",
            Capability::Admin,
            "Makes a token worthless, here at once and in other processes on the same store within seconds.",
            revoke,
        )
        .hidden_from_tools(),
        Operation::reads("read_audit", "/v1/audit", "Lists what was asked of this store's servers, the oldest first.", read)
            .needs(Capability::Admin)
            .hidden_from_tools(),
    ]
}

/// Who acts by a token.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// A person.
    Human,
    /// A program that stands in for a person where the workflow lets it.
    AiOperator,
    /// A program without a judgement of its own.
    Service,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Issue {
    /// Who acts by it.
    kind: Kind,
    /// In whose name.
    name: String,
    /// What it may do.
    #[schemars(with = "Vec<String>")]
    capabilities: Vec<Capability>,
    /// The only repository that it sees; that of the issuing token unless given.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    repository: Option<ChainId>,
    /// How long it is valid, in seconds.
    seconds: u64,
}

/// A token that was issued.
#[derive(Debug, Serialize, JsonSchema)]
struct IssuedView {
    /// Its id, for revoking it.
    #[schemars(with = "String")]
    token: TokenId,
    /// Its text.
    secret: String,
    /// Until when it is valid.
    expires_at: String,
}

const NOTHING_MADE: Made = Made { run: None, events: None };

async fn issue(request: Request, input: Issue) -> Result<(IssuedView, Made), Problem> {
    let caller = &request.caller;
    let capabilities = Capabilities::of(input.capabilities);
    if let Some(more) = capabilities.iter().find(|capability| !caller.capabilities.allows(*capability)) {
        return Err(Problem::new(
            Fault::TokenTooPowerful,
            format!("the issuing token has no capability {more}"),
        ));
    }
    // A program does not make itself a person.
    let actor = match (input.kind, &caller.actor) {
        (Kind::Human, Actor::Human(_)) => Actor::Human(input.name),
        (Kind::AiOperator, Actor::Human(_) | Actor::AiOperator(_)) => Actor::AiOperator(input.name),
        (Kind::Service, _) => Actor::Service(input.name),
        _ => {
            return Err(Problem::new(
                Fault::TokenTooPowerful,
                "only a person's token issues tokens for people",
            ));
        }
    };
    let repository = match (input.repository, &caller.repository) {
        (Some(wanted), _) => Some(request.desk.chain(caller, Some(&wanted))?),
        (None, own) => own.clone(),
    };
    let scope = Scope::Operator(OperatorScope { actor, repository, capabilities });
    issued(&request, scope, input.seconds)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct IssueClaim {
    /// The role that the agents take.
    #[schemars(with = "String")]
    role: RoleId,
    /// The lane that they belong to.
    #[schemars(with = "String")]
    lane: LaneId,
    /// The repository; that of the issuing token unless given.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    repository: Option<ChainId>,
    /// How long it is valid, in seconds.
    seconds: u64,
}

async fn issue_claim(request: Request, input: IssueClaim) -> Result<(IssuedView, Made), Problem> {
    let repository = request.desk.chain(&request.caller, input.repository.as_ref())?;
    let scope = ClaimScope { repository, role: input.role, lane: input.lane };
    issued(&request, Scope::Claim(scope), input.seconds)
}

fn issued(request: &Request, scope: Scope, seconds: u64) -> Result<(IssuedView, Made), Problem> {
    if !(1..=LONGEST).contains(&seconds) {
        return Err(Problem::new(Fault::Invalid, format!("seconds may be 1 to {LONGEST}")));
    }
    let issued = request.desk.authority.issue(scope, Duration::from_secs(seconds));
    let issued = issued.map_err(|error| Problem::new(Fault::Defect, error.to_string()))?;
    let view = IssuedView {
        token: issued.id,
        secret: issued.secret.expose_secret().to_owned(),
        expires_at: moment(issued.expires_at),
    };
    Ok((view, NOTHING_MADE))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Revoke {
    /// The id of the token.
    #[schemars(with = "String")]
    token: TokenId,
}

/// A token that was revoked.
#[derive(Debug, Serialize, JsonSchema)]
struct RevokedView {
    /// Its id.
    #[schemars(with = "String")]
    token: TokenId,
}

async fn revoke(request: Request, input: Revoke) -> Result<(RevokedView, Made), Problem> {
    request.desk.audit.revoke(request.caller.asker(), input.token).await?;
    Ok((RevokedView { token: input.token }, NOTHING_MADE))
}

async fn read(request: Request, input: Part) -> Result<Page<EventView>, Problem> {
    let limit = input.limit()?;
    let invalid =
        |error: striatum_core::chain::InvalidPosition| Problem::new(Fault::Invalid, error.to_string());
    let chain = request.desk.audit.chain();
    let after = match &input.after {
        Some(text) => text.parse().map_err(invalid)?,
        None => Position::genesis(chain),
    };
    let rows = request.desk.engine.store().read(chain, after, limit).await?;
    let next = rows.last().filter(|_| rows.len() == limit).map(|row| row.position().to_string());
    // A token for one repository does not see who asked what of another.
    let own = request.caller.repository.as_ref();
    let is_seen = |row: &&Sealed| own.is_none_or(|own| audit::is_of(&row.body, own));
    let items = rows.iter().filter(is_seen).map(EventView::of).collect::<Result<_, _>>()?;
    Ok(Page { items, next })
}
