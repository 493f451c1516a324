//! Taking a job for an agent that waits.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use striatum_core::{
    engine::EngineError,
    id::{Fence, JobId, RunId, SessionId},
    run::{Actor, Claim, Command, DeliveryMode, Intent, LeaseReport, Packet, Rejection, State},
    sandbox::{Isolation, Level},
    store::{ReadyJob, ReadyQuery},
    workflow::Constraint,
};

use crate::{
    Refusal,
    agents::{
        Agents, OpenSession, Workbench, documents,
        pull::{Pulling, settle},
    },
    authority::ClaimScope,
    refusal::Code,
};

/// How many ready jobs are looked at in one go.
const LOOK: usize = 32;

/// Jobs that a session may never hold.
pub(super) type Refused = BTreeSet<(RunId, JobId)>;

/// What an agent holds.
pub(super) struct Granted {
    pub(super) fence: Fence,
    pub(super) lease: Duration,
    /// Whether later jobs may have questions about it.
    pub(super) may_be_asked: bool,
    pub(super) bench: Arc<dyn Workbench>,
    pub(super) open: OpenSession,
}

impl Pulling {
    /// Takes a job that this session may hold, if one is ready.
    pub(super) async fn claim(
        &self,
        agents: &Agents,
        scope: &ClaimScope,
        session: SessionId,
        refused: &mut Refused,
    ) -> Result<Option<Granted>, Refusal> {
        let kind = (scope.repository.clone(), scope.role.clone(), scope.lane.clone());
        let idle = self.idle(&kind);
        let mut idle_at = idle.lock().await;
        let now = *self.news.borrow();
        // Nothing was ready for anybody of this kind, and nothing has happened since.
        if *idle_at == now {
            return Ok(None);
        }
        let query = ReadyQuery {
            chain: Some(scope.repository.clone()),
            role: Some(scope.role.clone()),
            lane: Some(scope.lane.clone()),
            except: refused.iter().cloned().collect(),
            ..ReadyQuery::all(self.pull.owner.instance, LOOK)
        };
        let store = self.pull.engine.store();
        let ready = store.ready(&query).await.map_err(EngineError::from)?;
        if ready.is_empty() && refused.is_empty() {
            *idle_at = now;
        }
        for ready in ready {
            if let Some(granted) = self.take(agents, &ready, session, refused).await? {
                return Ok(Some(granted));
            }
        }
        Ok(None)
    }

    async fn take(
        &self,
        agents: &Agents,
        ready: &ReadyJob,
        session: SessionId,
        refused: &mut Refused,
    ) -> Result<Option<Granted>, Refusal> {
        let (run, job) = (ready.run, ready.job.clone());
        let state = self.pull.engine.load(run).await?.state;
        if let Some(constraint) = demanded(&state, ready) {
            // Before it is claimed: a grant that is given back at once counts as one that was lost.
            tracing::warn!(run = %run.short(), %job, %constraint, "the lane demands of agents that pull what nobody enforces on them");
            refused.insert((run, job));
            return Ok(None);
        }
        let claim = Claim {
            job: job.clone(),
            session,
            owner: self.pull.owner.clone(),
            mode: DeliveryMode::Pull,
            // Where it works is nothing that we can vouch for.
            isolation: Isolation::uniform(Level::Unsupported),
        };
        let state = match self.command(run, session, Intent::Claim(claim)).await {
            Ok(state) => state,
            Err(EngineError::Rejected(rejection)) => {
                use Rejection::{NotIndependent, SessionMismatch, SessionNotFresh};
                // Anything else may be otherwise by and by.
                if let SessionNotFresh { .. } | NotIndependent { .. } | SessionMismatch { .. } = rejection {
                    refused.insert((run, job));
                }
                return Ok(None);
            }
            // Somebody was faster.
            Err(EngineError::GuardFailed | EngineError::Busy { .. } | EngineError::Contended) => {
                return Ok(None);
            }
            Err(error) => return Err(Refusal::from(&error)),
        };
        let Some(fence) = state.fence(&job).filter(|fence| fence.session == session) else { return Ok(None) };
        match self.open(agents, &state, &fence).await {
            Ok(granted) => Ok(Some(granted)),
            Err(refusal) => {
                self.release(&fence, &refusal).await;
                refused.insert((run, job));
                Err(refusal)
            }
        }
    }

    async fn open(&self, agents: &Agents, state: &State, fence: &Fence) -> Result<Granted, Refusal> {
        let job = state.workflow().job(&fence.job);
        let lane = job
            .and_then(|job| state.workflow().lanes.get(&job.lane_id))
            .ok_or_else(|| Code::ServerDefect.because("a job without a lane was claimed"))?;
        let packet = Packet::of(state, fence)
            .ok_or_else(|| Code::ServerDefect.because("a grant without a packet was claimed"))?;
        let bench = self.pull.workshop.open(state, fence).await?;
        let wall = lane.adapter_timeout_seconds.map_or(self.pull.wall, |s| Duration::from_secs(s.into()));
        let open = agents
            .open(fence.clone(), bench.clone(), wall)
            .map_err(|_| Code::ServerDefect.because("there is no chance to draw from"))?;
        let lease = Duration::from_secs(packet.lease_seconds.into());
        let may_be_asked = job.is_some_and(|job| job.interrogable);
        Ok(Granted { fence: fence.clone(), lease, may_be_asked, bench, open })
    }

    async fn release(&self, fence: &Fence, refusal: &Refusal) {
        let reason = self.pull.engine.blobs().put(refusal.to_string().into()).await.ok();
        let report = LeaseReport { reason, ..LeaseReport::new(fence.clone()) };
        if let Err(error) = self.command(fence.run, fence.session, Intent::Release(report)).await {
            tracing::warn!(%fence, %error, "a grant that cannot be worked on is left to lapse");
        }
        settle(&self.pull, fence).await;
    }

    /// Gives a command in the name of a session.
    pub(super) async fn command(
        &self,
        run: RunId,
        session: SessionId,
        intent: Intent,
    ) -> Result<Arc<State>, EngineError> {
        let no_chance = |_| EngineError::Contended;
        let id = documents::command_id().map_err(no_chance)?;
        let command = Command { id, actor: Actor::Session(session), intent };
        Ok(self.pull.engine.execute(run, command).await?.state)
    }
}

/// Something to which the lane of a job demands that agents are held, and not only asked.
fn demanded(state: &State, ready: &ReadyJob) -> Option<Constraint> {
    let lane = state.workflow().lanes.get(&ready.lane)?;
    let is_more_than_asked = |what: Constraint, level: Level| {
        // Nobody keeps transcripts of agents that are elsewhere.
        what != Constraint::Transcripts && !matches!(level, Level::Unsupported | Level::Advisory)
    };
    let mut demanded = lane.required_enforcement.iter().map(|(what, level)| (*what, *level));
    demanded.find(|(what, level)| is_more_than_asked(*what, *level)).map(|(what, _)| what)
}
