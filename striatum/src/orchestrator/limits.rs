//! What the orchestrator allows itself and its agents.

use std::time::Duration;

use striatum_core::sandbox;

/// What the orchestrator allows itself and its agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many agents run at once.
    pub agents: usize,
    /// How long an agent may work on one grant, if its lane does not say.
    pub wall: Duration,
    /// How long an agent may give no sign of life.
    pub silence: Duration,
    /// How long an adapter has to come to an end once it must.
    pub grace: Duration,
    /// How long anything else may take that is done for a grant or a run: handing in, closing a tree, delivering. What takes
    /// longer is given up and begun again.
    pub effect: Duration,
    /// How long store, blobs and disk may be out of reach before [`run_until_idle`](crate::Orchestrator::run_until_idle) ends
    /// with the error. [`run`](crate::Orchestrator::run) waits for as long as it takes.
    pub outage: Duration,
    /// How long the session that did a job may take to answer what a later job asks; then a person is asked.
    pub answer: Duration,
    /// How long to sleep at most before looking again, whatever was announced.
    pub poll: Duration,
    /// What the session of an agent may use of the host.
    pub session: sandbox::Limits,
}

impl Default for Limits {
    /// Four agents; an hour each; half an hour of silence; half a minute of grace; a quarter of an hour for an effect; ten
    /// minutes of outage; as much for an answer; a look every thirty seconds; for a session what a sandbox allows by itself.
    fn default() -> Self {
        Self {
            agents: 4,
            wall: Duration::from_secs(3600),
            silence: Duration::from_secs(1800),
            grace: Duration::from_secs(30),
            effect: Duration::from_secs(900),
            outage: Duration::from_secs(600),
            answer: Duration::from_secs(600),
            poll: Duration::from_secs(30),
            session: sandbox::Limits::default(),
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty;)*) => {
        impl Limits {$(
            $(#[$doc])*
            #[must_use]
            pub const fn $name(mut self, $name: $kind) -> Self {
                self.$name = $name;
                self
            }
        )*}
    };
}

setters! {
    /// At most this many agents at once.
    agents: usize;
    /// At most this long for each grant whose lane does not say.
    wall: Duration;
    /// At most this long without a sign of life.
    silence: Duration;
    /// At most this long for an adapter that must end.
    grace: Duration;
    /// At most this long for an effect.
    effect: Duration;
    /// At most this long an outage, for those who wait for an end.
    outage: Duration;
    /// At most this long for an answer to another job.
    answer: Duration;
    /// At most this long between two looks.
    poll: Duration;
    /// At most this of the host for the session of an agent.
    session: sandbox::Limits;
}
