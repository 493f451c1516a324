//! The way of agents to their model, with a credential that they do not get.

use std::net::TcpListener;

use async_trait::async_trait;
use striatum_core::{
    sandbox::{EnvVar, Listen},
    transport::Spend,
};
use striatum_sandbox::broker::{Broker, Budget, Observed, Session};

use crate::adapter::{AdapterError, Assignment, Gateway, Passage, Porter, Seen};

/// By what name the sandbox hands over the listener of the model.
const MODEL: &str = "model";

/// Lets agents ask their model through a [`Broker`]: they get its address and a placeholder, and the credential stays here.
///
/// The tokens that are left of a grant's budget bound the session. What its lane names as a credential the agent does not get.
#[derive(Debug, Clone)]
pub struct ModelGateway {
    broker: Broker,
    variable: String,
    announced: Vec<(String, String)>,
    withheld: Vec<String>,
    requests: Option<u64>,
}

impl ModelGateway {
    /// For agents that find their credential in this variable.
    pub fn new(broker: Broker, variable: impl Into<String>) -> Self {
        let variable = variable.into();
        Self { broker, withheld: vec![variable.clone()], variable, announced: Vec::new(), requests: None }
    }

    /// For an agent that is known, which finds its credential in this variable of those that it knows; `None` if it cannot be led
    /// to another endpoint than its provider's.
    #[cfg(feature = "acp")]
    pub fn of(known: &striatum_acp::Adapter, broker: Broker, variable: impl Into<String>) -> Option<Self> {
        let endpoint = known.endpoint?;
        let mut gateway = Self::new(broker, variable);
        for (name, value) in endpoint.variables {
            let value = value.replace("{variable}", &gateway.variable);
            gateway.announced.push(((*name).to_owned(), value));
        }
        let home = known.home.map(|(variable, _)| variable);
        let credentials = known.credentials.iter().copied();
        gateway.withheld.extend(credentials.chain(home).chain(endpoint.url).map(str::to_owned));
        Some(gateway)
    }

    /// Tells agents where it is by another variable as well; `{}` in the value stands for the address, such as `127.0.0.1:8931`.
    #[must_use]
    pub fn announced(mut self, variable: impl Into<String>, value: impl Into<String>) -> Self {
        self.announced.push((variable.into(), value.into()));
        self
    }

    /// Withholds another variable of a lane from agents.
    #[must_use]
    pub fn withholding(mut self, variable: impl Into<String>) -> Self {
        self.withheld.push(variable.into());
        self
    }

    /// Lets the agent of one grant make no more requests than these.
    #[must_use]
    pub fn requests(self, most: u64) -> Self {
        Self { requests: Some(most), ..self }
    }
}

#[async_trait]
impl Gateway for ModelGateway {
    async fn prepare(&self, assignment: &Assignment) -> Result<Option<Passage>, AdapterError> {
        let tokens = assignment.packet.budget.and_then(|budget| budget.tokens);
        let session = self.broker.session(Budget { requests: self.requests, tokens });
        let session =
            session.map_err(|error| AdapterError::new("open a broker of an agent's model").because(error))?;
        let announced = self.announced.iter();
        let listen =
            announced.fold(Listen::new(MODEL), |listen, (name, value)| listen.announced(name, value));
        let env = vec![EnvVar::new(&self.variable, session.placeholder().reveal())];
        let passage = Passage { env, withheld: self.withheld.clone(), ..Passage::new(listen, Door(session)) };
        Ok(Some(passage))
    }

    fn brings(&self) -> Vec<String> {
        vec![self.variable.clone()]
    }
}

/// The broker's session of one agent.
#[derive(Debug)]
struct Door(Session);

impl Porter for Door {
    fn open(&mut self, listener: TcpListener) -> Result<(), AdapterError> {
        self.0.serve(listener).map_err(|error| AdapterError::new("serve an agent's model").because(error))
    }

    fn seen(&self) -> Seen {
        let Observed { requests, input_tokens, output_tokens, trouble, .. } = self.0.observed();
        let spend = Spend { input_tokens: Some(input_tokens), output_tokens: Some(output_tokens) };
        Seen::new((requests > 0).then_some(spend), trouble)
    }
}
