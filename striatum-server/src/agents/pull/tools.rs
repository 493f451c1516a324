//! The tools of a claim token.

use std::{sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;
use striatum_core::{
    id::{RunId, SessionId},
    transport::AgentIdentity,
};
use tokio_util::sync::CancellationToken;

use super::Puller;
use crate::{
    Refusal,
    toolbox::{Entry, Toolbox, entry, invalid},
};

const INSTRUCTIONS: &str = "Register a session once, then call await_work until it gives you a job. Acknowledge it with ack_work before you \
    begin, and call heartbeat well within its lease for as long as you work. The job's own tools are at the url that await_work answers, \
    under the token that it answers.";

/// Clients give up after a minute or so.
const LONGEST: u64 = 50;

pub(in crate::agents) enum Call {
    Register(AgentIdentity),
    Await(SessionId, Duration),
    Acknowledge(SessionId),
    Heartbeat(SessionId),
    Reply { session: SessionId, run: RunId, question: u32, answer: String },
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Register {
    /// The name of the agent program.
    #[serde(default)]
    #[schemars(with = "String")]
    name: Option<String>,
    /// Its version.
    #[serde(default)]
    #[schemars(with = "String")]
    version: Option<String>,
    /// The model behind it.
    #[serde(default)]
    #[schemars(with = "String")]
    model: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Await {
    /// The session, as register_session gave it.
    session: String,
    /// How long to wait at most, in seconds: 0 to 50, which is the default.
    #[serde(default)]
    #[schemars(with = "u64")]
    wait_seconds: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Of {
    /// The session, as register_session gave it.
    session: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reply {
    /// The session, as register_session gave it.
    session: String,
    /// The run, as await_work gave it with the question.
    run: String,
    /// The number of the question, as await_work gave it.
    question: u32,
    /// The answer, for somebody who has not seen what you know.
    answer: String,
}

const CATALOGUE: &[Entry<Call>] = &[
    entry!(
        ["register_session"],
        "Register a session",
        Adds,
        Register,
        register,
        "Registers a new session and returns its id. Say what you are: some work is not given to agents that do not."
    ),
    entry!(
        ["await_work"],
        "Wait for work",
        Adds,
        Await,
        wait,
        "Waits for a job. Answers with the job, its task, and the url and token of its tools; or says that there is none yet: then call \
         again. A session that holds a job is told of it again. It may also answer with a question about a job that the session did: call answer_question, \
         and await_work again."
    ),
    entry!(
        ["ack_work"],
        "Begin the work",
        Adds,
        Of,
        |it| it.session().map(Call::Acknowledge),
        "Says that you begin the job that you were given."
    ),
    entry!(
        ["heartbeat"],
        "Renew the lease",
        Adds,
        Of,
        |it| it.session().map(Call::Heartbeat),
        "Says that you are still at work, so that the job is not given to somebody else."
    ),
    entry!(
        ["answer_question"],
        "Answer a question",
        Adds,
        Reply,
        reply,
        "Answers what a later job asks about a job that the session did. If nobody answers within ten minutes a person is asked."
    ),
];

impl Of {
    fn session(&self) -> Result<SessionId, Refusal> {
        self.session.parse().map_err(|_| invalid(format!("{:?} is no session", self.session)))
    }
}

fn register(Register { name, version, model }: Register) -> Result<Call, Refusal> {
    Ok(Call::Register(AgentIdentity { name, version, model }))
}

fn reply(Reply { session, run, question, answer }: Reply) -> Result<Call, Refusal> {
    let session = Of { session }.session()?;
    let run = run.parse().map_err(|_| invalid(format!("{run:?} is no run")))?;
    if answer.trim().is_empty() {
        return Err(invalid("the answer is empty"));
    }
    Ok(Call::Reply { session, run, question, answer })
}

fn wait(Await { session, wait_seconds }: Await) -> Result<Call, Refusal> {
    let patience = Duration::from_secs(wait_seconds.unwrap_or(LONGEST).min(LONGEST));
    Ok(Call::Await(Of { session }.session()?, patience))
}

impl Toolbox for Puller {
    type Call = Call;

    fn catalogue() -> &'static [Entry<Call>] {
        CATALOGUE
    }

    fn instructions() -> &'static str {
        INSTRUCTIONS
    }

    async fn answer(self: Arc<Self>, call: Call, gone: CancellationToken) -> Result<String, Refusal> {
        let lease = |lease: Duration| format!("the lease lasts {} seconds from now", lease.as_secs());
        match call {
            Call::Register(agent) => {
                let session = self.register(agent)?;
                Ok(serde_json::json!({"session": session.to_string()}).to_string())
            }
            Call::Await(session, patience) => {
                match self.await_work(session, patience, &gone).await? {
                    Some(given) => Ok(serde_json::to_string(&given).unwrap_or_default()),
                    None => Ok("{\"job\":null,\"message\":\"there is no work yet; call await_work again\"}"
                        .to_owned()),
                }
            }
            Call::Acknowledge(session) => {
                Ok(format!("accepted: the work is yours, {}.", lease(self.acknowledge(session).await?)))
            }
            Call::Reply { session, run, question, answer } => {
                self.reply(session, run, question, answer).await?;
                Ok("accepted: the answer is recorded.".to_owned())
            }
            Call::Heartbeat(session) => Ok(format!("accepted: {}.", lease(self.heartbeat(session).await?))),
        }
    }
}
