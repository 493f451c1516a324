//! One claim token, and the sessions that were registered with it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use serde::Serialize;
use striatum_core::{
    engine::EngineError,
    id::{Fence, JobId, RunId, SessionId},
    run::{Intent, Rejection},
    store::Renewal,
    transport::AgentIdentity,
};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{
    Pulling,
    claiming::{Granted, Refused},
    settle,
};
use crate::{
    Refusal,
    agents::{Agents, listener::Shared},
    authority::{self, Bearer, ClaimScope},
    refusal::Code,
};

/// How many sessions one token may have.
pub(in crate::agents) const SESSIONS: usize = 256;
/// A session that holds nothing is forgotten after this, if there is need for room.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// A claim token in use.
pub(in crate::agents) struct Puller {
    bearer: Bearer,
    scope: ClaimScope,
    pulling: Arc<Pulling>,
    agents: Weak<Shared>,
    sessions: Mutex<HashMap<SessionId, Arc<Pulled>>>,
    over: CancellationToken,
}

/// A session that pulls.
struct Pulled {
    id: SessionId,
    agent: AgentIdentity,
    used: Mutex<Instant>,
    /// Held while it waits.
    waiting: tokio::sync::Mutex<Refused>,
    granted: Mutex<Option<Arc<Granted>>>,
}

/// What an agent is told that was given a job.
#[derive(Serialize)]
pub(super) struct Work {
    run: RunId,
    job: JobId,
    epoch: u32,
    session: SessionId,
    url: String,
    token: String,
    lease_seconds: u64,
    task: String,
}

impl Puller {
    pub(in crate::agents) fn new(
        bearer: Bearer,
        scope: ClaimScope,
        pulling: Arc<Pulling>,
        agents: Weak<Shared>,
    ) -> Arc<Self> {
        let over = CancellationToken::new();
        Arc::new(Self { bearer, scope, pulling, agents, sessions: Mutex::default(), over })
    }

    pub(in crate::agents) fn over(&self) -> &CancellationToken {
        &self.over
    }

    pub(super) fn register(&self, agent: AgentIdentity) -> Result<SessionId, Refusal> {
        let no_chance = |_| Code::ServerDefect.because("there is no chance to draw from");
        let id = SessionId::from_bytes(authority::random().map_err(no_chance)?);
        let mut sessions = lock(&self.sessions);
        if sessions.len() >= SESSIONS {
            sessions.retain(|_, session| !session.is_forgotten());
        }
        if sessions.len() >= SESSIONS {
            return Err(
                Code::SessionsFull.because(format!("{SESSIONS} sessions are registered, which is the limit"))
            );
        }
        let pulled = Pulled {
            id,
            agent,
            used: Mutex::new(Instant::now()),
            waiting: tokio::sync::Mutex::default(),
            granted: Mutex::default(),
        };
        sessions.insert(id, Arc::new(pulled));
        Ok(id)
    }

    /// Waits for a job, and gives it to the session; `None` if none came in time. A session that holds one is told of it again.
    pub(super) async fn await_work(
        &self,
        session: SessionId,
        patience: Duration,
        gone: &CancellationToken,
    ) -> Result<Option<Work>, Refusal> {
        let session = self.session(session)?;
        let waits = || Code::SessionWaits.because("the session waits for work already");
        let mut refused = session.waiting.try_lock().map_err(|_| waits())?;
        if let Some(granted) = self.held(&session).await? {
            return self.work(&granted).await.map(Some);
        }
        let until = Instant::now() + patience;
        let mut news = self.pulling.news.subscribe();
        loop {
            news.mark_unchanged();
            let agents = self.admitted()?;
            let claimed = self.pulling.claim(&agents, &self.scope, session.id, &mut refused).await?;
            if let Some(granted) = claimed {
                let granted = Arc::new(granted);
                *lock(&session.granted) = Some(granted.clone());
                return self.work(&granted).await.map(Some);
            }
            drop(agents);
            let woken = tokio::select! {
                () = gone.cancelled() => return Ok(None),
                () = self.over.cancelled() => return Ok(None),
                woken = timeout_at(until, news.changed()) => woken,
            };
            if !matches!(woken, Ok(Ok(()))) {
                return Ok(None);
            }
        }
    }

    /// Says that the agent begins; returns how long its lease lasts.
    pub(super) async fn acknowledge(&self, session: SessionId) -> Result<Duration, Refusal> {
        let session = self.session(session)?;
        let granted = self.expect_held(&session).await?;
        let intent = Intent::Acknowledge { fence: granted.fence.clone(), agent: session.agent.clone() };
        let state = self.pulling.command(granted.fence.run, session.id, intent).await?;
        // Who may not judge what it holds has lost it by saying who it is.
        if state.is_live(&granted.fence) {
            Ok(granted.lease)
        } else {
            Err(self.lost(&session, &granted.fence).await)
        }
    }

    /// Renews the lease; returns for how long.
    pub(super) async fn heartbeat(&self, session: SessionId) -> Result<Duration, Refusal> {
        let session = self.session(session)?;
        let granted = self.expect_held(&session).await?;
        let store = self.pulling.pull.engine.store();
        let leases = [(granted.fence.clone(), granted.lease)];
        let renewals = store.renew(&leases).await.map_err(EngineError::from)?;
        match renewals.first() {
            Some(Renewal::Held(_)) => Ok(granted.lease),
            _ => Err(self.lost(&session, &granted.fence).await),
        }
    }

    /// The listener, if the token is still good for taking something.
    fn admitted(&self) -> Result<Agents, Refusal> {
        let revoked = || Refusal::from(authority::Denied::Revoked);
        let shared = self.agents.upgrade().ok_or_else(revoked)?;
        shared.authority().remaining(&self.bearer).ok_or_else(revoked)?;
        Ok(Agents::of(shared))
    }

    fn session(&self, id: SessionId) -> Result<Arc<Pulled>, Refusal> {
        let unknown = || Code::SessionUnknown.because("no such session is registered with this token");
        let session = lock(&self.sessions).get(&id).cloned().ok_or_else(unknown)?;
        *lock(&session.used) = Instant::now();
        Ok(session)
    }

    /// What the session holds, unless that is over.
    async fn held(&self, session: &Pulled) -> Result<Option<Arc<Granted>>, Refusal> {
        let Some(granted) = lock(&session.granted).clone() else { return Ok(None) };
        let is_live = !granted.open.is_concluded()
            && self.pulling.pull.engine.load(granted.fence.run).await?.state.is_live(&granted.fence);
        if is_live {
            return Ok(Some(granted));
        }
        lock(&session.granted).take();
        settle(&self.pulling.pull, &granted.fence).await;
        Ok(None)
    }

    async fn expect_held(&self, session: &Pulled) -> Result<Arc<Granted>, Refusal> {
        let Some(last) = lock(&session.granted).clone() else {
            return Err(Code::NoWork.because("the session holds no job"));
        };
        self.held(session).await?.ok_or_else(|| stale(&last.fence))
    }

    /// A session lost what it held: its token is worth nothing any more.
    async fn lost(&self, session: &Pulled, fence: &Fence) -> Refusal {
        lock(&session.granted).take();
        settle(&self.pulling.pull, fence).await;
        stale(fence)
    }

    async fn work(&self, granted: &Granted) -> Result<Work, Refusal> {
        let Granted { fence, lease, bench, open } = granted;
        let endpoint = open.endpoint();
        Ok(Work {
            run: fence.run,
            job: fence.job.clone(),
            epoch: fence.epoch,
            session: fence.session,
            url: endpoint.url.clone(),
            token: secrecy::ExposeSecret::expose_secret(&endpoint.bearer).to_owned(),
            lease_seconds: lease.as_secs(),
            task: bench.task().await?.prompt,
        })
    }
}

impl Pulled {
    fn is_forgotten(&self) -> bool {
        lock(&self.granted).is_none() && lock(&self.used).elapsed() > FORGOTTEN
    }
}

fn stale(fence: &Fence) -> Refusal {
    Rejection::StaleFence { job: fence.job.clone(), epoch: fence.epoch }.into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
