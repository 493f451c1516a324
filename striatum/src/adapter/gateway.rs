//! What an agent reaches of the host beside its tools.

use std::{fmt, net::TcpListener, sync::Arc};

use async_trait::async_trait;
use striatum_core::{
    sandbox::{EnvVar, Exec, Listen, Mount, Process},
    transport::{Outcome, Spend},
};

use crate::adapter::{AdapterError, Assignment};

/// Lets agents reach one thing of the host beside their tools: a broker of their model, say, or a proxy to the network.
///
/// Behind walls an agent reaches nothing but the listeners that its sandbox binds where the agent is. An adapter that was given a
/// gateway asks it for a [`Passage`] for each grant, starts the agent with what stands in it, and hands the listener to its
/// [`Porter`].
#[async_trait]
pub trait Gateway: fmt::Debug + Send + Sync + 'static {
    /// Prepares the way through for one grant, before its agent is started; `None` if agents of this lane have no use for it.
    ///
    /// # Errors
    /// [`AdapterError`] if the agent cannot do without it: it is then not started.
    async fn prepare(&self, assignment: &Assignment) -> Result<Option<Passage>, AdapterError>;

    /// The names of the variables that agents get with each [`Passage`], so that nobody misses them before. It says nothing of itself.
    fn brings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The way through a gateway for the agent of one grant.
#[derive(Debug)]
pub struct Passage {
    /// The listener, and the variables that tell the agent where it is. Its name is no other gateway's.
    pub listen: Listen,
    /// Other variables that the agent gets. They go before those of its lane.
    pub env: Vec<EnvVar>,
    /// The names of variables that the agent does not get, although its lane names them.
    pub withheld: Vec<String>,
    /// Files that the agent needs for it.
    pub mounts: Vec<Mount>,
    /// Who stands at it.
    pub porter: Box<dyn Porter>,
}

impl Passage {
    /// One without variables and files of its own.
    pub fn new(listen: Listen, porter: impl Porter) -> Self {
        Self { listen, env: Vec::new(), withheld: Vec::new(), mounts: Vec::new(), porter: Box::new(porter) }
    }
}

/// Serves one agent at a gateway. Dropping it ends whatever is under way.
pub trait Porter: fmt::Debug + Send + Sync + 'static {
    /// Begins to serve on a listener, which is called once, on a tokio runtime. It returns at once.
    ///
    /// # Errors
    /// [`AdapterError`] if the listener cannot be used.
    fn open(&mut self, listener: TcpListener) -> Result<(), AdapterError>;

    /// What it has seen of the agent so far.
    fn seen(&self) -> Seen;
}

/// What is seen of an agent at a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Seen {
    /// The tokens that its model read and wrote, in all. This counts before what the agent says of itself.
    pub spend: Option<Spend>,
    /// How its model refuses it, as long as nothing was answered since: a limit with its reset, an overload, a credential. Agents
    /// hide this behind turns that end as if all were well.
    pub trouble: Option<Outcome>,
}

impl Seen {
    /// These tokens, and this trouble.
    pub const fn new(spend: Option<Spend>, trouble: Option<Outcome>) -> Self {
        Self { spend, trouble }
    }
}

/// Every way through for one agent.
#[derive(Debug, Default)]
pub(super) struct Passages(Vec<Passage>);

impl Passages {
    pub(super) async fn prepare(
        gateways: &[Arc<dyn Gateway>],
        assignment: &Assignment,
    ) -> Result<Self, AdapterError> {
        let mut passages = Vec::new();
        for gateway in gateways {
            passages.extend(gateway.prepare(assignment).await?);
        }
        Ok(Self(passages))
    }

    /// What the sandbox must show.
    pub(super) fn mounts(&self) -> impl Iterator<Item = Mount> {
        self.0.iter().flat_map(|passage| passage.mounts.iter().cloned())
    }

    /// What is left of the variables of a lane.
    pub(super) fn withhold(&self, env: &[EnvVar]) -> Vec<EnvVar> {
        let withheld = |name: &String| self.0.iter().any(|passage| passage.withheld.contains(name));
        env.iter().filter(|variable| !withheld(&variable.name)).cloned().collect()
    }

    /// The same program with the variables and listeners.
    pub(super) fn equip(&self, mut exec: Exec) -> Exec {
        for passage in &self.0 {
            exec.env.extend(passage.env.iter().cloned());
            exec.listeners.push(passage.listen.clone());
        }
        exec
    }

    /// Opens them to a process that was started so.
    pub(super) fn open(&mut self, process: &mut Process) -> Result<(), AdapterError> {
        for Passage { listen, porter, .. } in &mut self.0 {
            let name = &listen.name;
            let lacking =
                || AdapterError::new(format!("open {name:?} to an agent whose sandbox gives no listener"));
            porter.open(process.take_listener(name).ok_or_else(lacking)?)?;
        }
        Ok(())
    }

    /// What is seen at any of them.
    pub(super) fn seen(&self) -> Seen {
        let all = self.0.iter().map(|passage| passage.porter.seen());
        all.fold(Seen::default(), |seen, next| Seen {
            spend: seen.spend.or(next.spend),
            trouble: seen.trouble.or(next.trouble),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nobody;

    impl Porter for Nobody {
        fn open(&mut self, _listener: TcpListener) -> Result<(), AdapterError> {
            Ok(())
        }

        fn seen(&self) -> Seen {
            Seen::new(None, Some(Outcome::Overloaded))
        }
    }

    #[test]
    fn an_agent_gets_what_its_passages_bring_and_not_what_they_withhold() {
        let listen = Listen::new("model").announced("URL", "http://{}");
        let mut passage = Passage::new(listen.clone(), Nobody);
        passage.env = vec![EnvVar::new("KEY", "placeholder")];
        passage.withheld = vec!["KEY".to_owned(), "OTHER_KEY".to_owned()];
        passage.mounts = vec![Mount::read("/some/where")];
        let passages = Passages(vec![passage, Passage::new(Listen::new("proxy"), Nobody)]);

        let lane = ["KEY", "OTHER_KEY", "LANG"].map(|name| EnvVar::new(name, "real"));
        assert_eq!(passages.withhold(&lane), [EnvVar::new("LANG", "real")]);
        let exec = passages.equip(Exec::new(["agent"]).listening(Listen::new("tools")));
        assert_eq!(exec.env, [EnvVar::new("KEY", "placeholder")]);
        assert_eq!(exec.listeners, [Listen::new("tools"), listen, Listen::new("proxy")]);
        assert_eq!(passages.mounts().collect::<Vec<_>>(), [Mount::read("/some/where")]);
        assert_eq!(passages.seen(), Seen::new(None, Some(Outcome::Overloaded)));
    }
}
