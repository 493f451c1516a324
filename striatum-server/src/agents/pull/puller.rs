//! One claim token, and the sessions that were registered with it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use serde::Serialize;
use striatum_core::{
    engine::EngineError,
    id::{Fence, JobId, RunId, SessionId},
    run::{Intent, Rejection, RunStatus},
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
    /// Runs in which it did what may be asked about.
    did: Mutex<BTreeSet<RunId>>,
}

/// What an agent is told that is asked about work that it did.
#[derive(Serialize)]
pub(super) struct Asked {
    run: RunId,
    /// The number of the question in the run.
    question: u32,
    /// The job that it did.
    job: JobId,
    /// The job that asks.
    from: JobId,
    text: String,
}

/// What an agent that waits is given.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Given {
    Work(Work),
    Question { question: Asked },
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
            did: Mutex::default(),
        };
        sessions.insert(id, Arc::new(pulled));
        Ok(id)
    }

    /// Waits for a job, or a question about one that the session did, and gives it to the session; `None` if neither came in time. A
    /// session that holds a job is told of it again.
    pub(super) async fn await_work(
        &self,
        session: SessionId,
        patience: Duration,
        gone: &CancellationToken,
    ) -> Result<Option<Given>, Refusal> {
        let session = self.session(session)?;
        let waits = || Code::SessionWaits.because("the session waits for work already");
        let mut refused = session.waiting.try_lock().map_err(|_| waits())?;
        if let Some(granted) = self.held(&session).await? {
            return self.work(&granted).await.map(|work| Some(Given::Work(work)));
        }
        let until = Instant::now() + patience;
        let mut news = self.pulling.news.subscribe();
        loop {
            news.mark_unchanged();
            if let Some(question) = self.asked(&session).await? {
                return Ok(Some(Given::Question { question }));
            }
            let agents = self.admitted()?;
            let claimed = self.pulling.claim(&agents, &self.scope, session.id, &mut refused).await?;
            if let Some(granted) = claimed {
                if granted.may_be_asked {
                    lock(&session.did).insert(granted.fence.run);
                }
                let granted = Arc::new(granted);
                *lock(&session.granted) = Some(granted.clone());
                return self.work(&granted).await.map(|work| Some(Given::Work(work)));
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

    /// A question that the session is to answer.
    async fn asked(&self, session: &Pulled) -> Result<Option<Asked>, Refusal> {
        let runs = lock(&session.did).clone();
        let engine = &self.pulling.pull.engine;
        for run in runs {
            let state = engine.load(run).await?.state;
            if state.status().is_none_or(RunStatus::has_ended) {
                lock(&session.did).remove(&run);
                continue;
            }
            let mut open = state.open_questions().filter(|_| !state.is_paused());
            let Some((from, asked)) = open.find(|(_, asked)| asked.awaited() == Some(session.id)) else {
                continue;
            };
            let Some(of) = &asked.of else { continue };
            let text = engine.blobs().get(&asked.text.digest).await.map_err(EngineError::from)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let (question, job, from) = (asked.number, of.job.clone(), from.id.clone());
            return Ok(Some(Asked { run, question, job, from, text }));
        }
        Ok(None)
    }

    /// Answers a question for the session.
    pub(super) async fn reply(
        &self,
        session: SessionId,
        run: RunId,
        question: u32,
        answer: String,
    ) -> Result<(), Refusal> {
        let session = self.session(session)?;
        let answer = self.pulling.pull.engine.blobs().put(answer.into()).await.map_err(EngineError::from)?;
        let intent = Intent::Reply { question, session: session.id, answer, usage: None };
        if !lock(&session.did).contains(&run) {
            return Err(Rejection::QuestionUnknown { question }.into());
        }
        self.pulling.command(run, session.id, intent).await?;
        Ok(())
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
        let Granted { fence, lease, bench, open, .. } = granted;
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
