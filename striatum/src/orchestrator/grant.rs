//! One grant, from the claim to the closed tree.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use striatum_core::{
    engine::EngineError,
    id::{CommandId, Fence, LaneId, RunId},
    run::{Claim, DeliveryMode, Intent, LeaseReport, Packet, Pending, Rejection, Severity, State, Usage},
    sandbox::Exit,
    store::ReadyJob,
    transport::{Advice, AgentIdentity},
    workflow::Lane,
};
use striatum_workspace::{Grant, Tree};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    adapter::{Assignment, End, Finished, Patience},
    fault, mint,
    orchestrator::{
        Error, ErrorKind, Shared,
        assignment::{Given, LOG},
        base::Bases,
        collect,
        leases::Held,
        owed,
        place::Place,
        used, words,
    },
    progress::Progress,
};

/// Claims a job and gives the work to be done on it; `None` if somebody was faster.
pub(super) async fn claim(
    shared: &Arc<Shared>,
    ready: &ReadyJob,
) -> Result<Option<(Fence, impl Future<Output = Result<(), Error>> + Send + use<>)>, Error> {
    let claim = Claim {
        job: ready.job.clone(),
        session: mint::session_id()?,
        owner: shared.instance.owner().clone(),
        mode: DeliveryMode::Push,
        isolation: shared.sandbox.offers(),
    };
    let applied = match shared.act(ready.run, mint::command_id()?, Intent::Claim(claim)).await {
        Err(error) if is_overtaken(&error) => return Ok(None),
        other => other?,
    };
    let Some(fence) = applied.state.fence(&ready.job) else { return Ok(None) };
    let (shared, state, held) = (shared.clone(), applied.state, fence.clone());
    let drive = async move {
        let Some(work) = Work::new(&shared, &state, &held) else { return Ok(()) };
        work.drive().await?;
        owed::settle(&shared, &state, &work.closing).await
    };
    Ok(Some((fence, drive)))
}

/// A tree that is open, and the task for it.
struct Opened {
    at: Place,
    given: Result<Given, Error>,
}

/// A live grant with all that is known of it.
pub(super) struct Work<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) state: &'a State,
    pub(super) grant: Grant,
    pub(super) lane: &'a Lane,
    pub(super) lane_id: &'a LaneId,
    pub(super) packet: Packet,
    /// What is owed when the grant is over.
    pub(super) closing: Pending,
    command: CommandId,
}

impl<'a> Work<'a> {
    /// `None` if the fence is not live in this state.
    pub(super) fn new(shared: &'a Arc<Shared>, state: &'a State, fence: &Fence) -> Option<Self> {
        let packet = Packet::of(state, fence)?;
        let lease = state.job(&fence.job)?.lease.as_ref()?;
        let spec = state.workflow().job(&fence.job)?;
        let lane = state.workflow().lanes.get(&spec.lane_id)?;
        let (granted_at, scope) = (lease.granted_at, spec.write_scope.clone());
        let grant = Grant { fence: fence.clone(), attempt: packet.attempt, granted_at, scope };
        let (attempt, owner) = (grant.attempt, shared.instance.id());
        let drive = Pending::Drive { fence: fence.clone(), attempt, granted_at, owner };
        let closing = Pending::CloseTree { fence: fence.clone(), attempt, granted_at, owner };
        let lane_id = &spec.lane_id;
        Some(Self { shared, state, grant, lane, lane_id, packet, closing, command: drive.command_id() })
    }

    pub(super) fn fence(&self) -> &Fence {
        &self.grant.fence
    }

    /// Renews the lease until the guard is dropped.
    pub(super) fn hold(&self, stop: &CancellationToken) -> Held<'_> {
        let term = Duration::from_secs(self.packet.lease_seconds.into());
        self.shared.leases.hold(self.fence().clone(), term, stop.clone())
    }

    /// Runs the agent and hands in what came of it. What cannot be reached for a while is waited for: an outage of ours is no
    /// failure of the agent's.
    #[tracing::instrument(name = "grant", skip_all, fields(fence = %self.fence(), adapter = self.lane.adapter))]
    pub(super) async fn drive(&self) -> Result<(), Error> {
        let stop = self.shared.stopping.child_token();
        let _held = self.hold(&stop);
        let run = self.fence().run;
        let Some(opened) = self.shared.outlast(run, &stop, || self.open(&stop)).await? else {
            return Ok(());
        };
        let finished = match opened.given {
            Ok(given) => {
                #[cfg(feature = "acp")]
                let bench = given.bench;
                let finished = self.employ(given.assignment).await;
                #[cfg(feature = "acp")]
                if bench.close().await == super::bench::Standing::Recorded {
                    fault::point("agent_ended");
                    return Ok(());
                }
                finished
            }
            Err(error) => Err(error),
        };
        fault::point("agent_ended");
        let Place { tree, base } = &opened.at;
        let conclude = || async {
            match &finished {
                Ok(finished) => self.hand_in(tree, base, finished).await,
                Err(error) => {
                    let used = used::unwatched(&self.shared.session_folder(&self.grant));
                    self.fail(&error.chain(), None, Some(used)).await
                }
            }
        };
        self.shared.outlast(run, &stop, conclude).await
    }

    /// Opens the tree and writes down the task, if there is a base to work on.
    async fn open(&self, stop: &CancellationToken) -> Result<Option<Opened>, Error> {
        let Some(at) = self.place().await? else { return Ok(None) };
        match self.assignment(&at, stop.clone()).await {
            Err(error) if error.is_retryable() => Err(error),
            given => Ok(Some(Opened { at, given })),
        }
    }

    /// Lets the adapter work, but not for ever: one that does not come to an end when it must is left alone.
    async fn employ(&self, assignment: Assignment) -> Result<Finished, Error> {
        let adapter = self.shared.adapters.of(self.lane)?;
        let (grace, wall, stop) =
            (self.shared.limits.grace, assignment.patience.wall, assignment.stop.clone());
        let begun = Instant::now();
        let mut told = assignment.account.identities();
        let account = assignment.account.clone();
        let identified = async {
            // One that may not judge what it holds loses it at once, and not when it has judged.
            while told.changed().await.is_ok() {
                let agent = told.borrow_and_update().agent.clone();
                if let Err(error) = self.identify(&agent).await {
                    tracing::warn!(error = error.chain(), "what an agent says that it is was not noted yet");
                }
            }
            std::future::pending::<()>().await;
        };
        let overdue = async {
            tokio::select! {
                () = sleep(wall) => {}
                () = stop.cancelled() => {}
            }
            sleep(grace).await;
        };
        let mut finished = tokio::select! {
            finished = adapter.work(assignment) => finished?,
            () = identified => Finished::new(End::Stopped, None, Usage::default()),
            () = overdue => {
                tracing::warn!(adapter = self.lane.adapter, "the adapter did not come to an end");
                let end = if stop.is_cancelled() { End::Stopped } else { End::TimedOut };
                Finished::new(end, None, Usage::default())
            }
        };
        self.shared.remember(&self.grant, &account);
        let told = account.told();
        finished.usage = used::total(finished.usage, &told.usage);
        if finished.agent.is_empty() {
            finished.agent = told.agent;
        }
        if finished.usage.wall_ms == 0 {
            finished.usage.wall_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        }
        Ok(finished)
    }

    /// How long the agent may take: what its lane or the orchestrator allows, or what is left of its budget if that is less.
    pub(super) fn patience(&self) -> Patience {
        let patience = self.shared.patience(self.lane.adapter_timeout_seconds);
        Patience { wall: self.budget().map_or(patience.wall, |left| left.min(patience.wall)), ..patience }
    }

    /// What is left of the time in the budget of this attempt.
    fn budget(&self) -> Option<Duration> {
        self.packet.budget.and_then(|budget| budget.wall_seconds).map(Duration::from_secs)
    }

    /// Hands in what an agent left that has ended.
    pub(super) async fn hand_in(&self, tree: &Tree, base: &Bases, finished: &Finished) -> Result<(), Error> {
        self.identify(&finished.agent).await?;
        self.clear_desk(tree)?;
        let report = collect::report_file(self);
        let reported = report.as_ref().map(|report| report.usage).unwrap_or_default();
        let finished = Finished { usage: used::total(finished.usage, &reported), ..finished.clone() };
        let (exit, usage) = (finished.exit, Some(finished.usage));
        match finished.end {
            End::Stopped => self.give_back(tree, "the orchestrator was stopped", exit, usage).await,
            End::TimedOut => {
                let wall = self.patience().wall;
                let reason = format!("the agent was stopped after {} seconds", wall.as_secs());
                match self.budget() {
                    // Whether more is granted is for a person; the attempt has not failed.
                    Some(left) if left <= wall => {
                        let reason = format!("{reason}, which was all that was left of its budget");
                        self.give_back(tree, &reason, exit, usage).await
                    }
                    _ => self.fail(&reason, exit, usage).await,
                }
            }
            End::Silent => {
                let silence = self.shared.limits.silence;
                let reason = format!("the agent gave no sign of life for {} seconds", silence.as_secs());
                self.fail(&reason, exit, usage).await
            }
            End::Spent => {
                let reason = finished.said("all that was left of its budget is used");
                self.give_back(tree, &reason, exit, usage).await
            }
            End::Unfinished(advice) => {
                let reason = finished.said("the agent stopped without an outcome");
                match advice {
                    Advice::Checkpoint => {
                        let mut report = self.report(&reason, exit, usage).await?;
                        report.set_aside = self.shared.repository.set_aside(tree).await?;
                        self.end(Intent::Block { report, severity: Severity::Operator }).await
                    }
                    _ => self.fail(&reason, exit, usage).await,
                }
            }
            End::Ended => match exit.filter(|exit| !exit.is_success()) {
                Some(exit) => {
                    let said = words::last(&self.shared.session_folder(&self.grant).join(LOG), self.lane);
                    self.fail(&format!("the agent ended with {exit}{said}"), Some(exit), usage).await
                }
                None => collect::submit(self, tree, base, &finished, report).await,
            },
        }
    }

    /// Passes on what the agent said over its protocol that it is; one that may not judge what it holds loses it.
    pub(super) async fn identify(&self, agent: &AgentIdentity) -> Result<(), Error> {
        if agent.is_empty() {
            return Ok(());
        }
        let intent = Intent::Identify { fence: self.fence().clone(), agent: agent.clone() };
        match self.shared.act(self.fence().run, mint::command_id()?, intent).await {
            Err(error) if self.is_late(&error) => Ok(()),
            other => other.map(drop),
        }
    }

    pub(super) async fn submit(&self, intent: Intent) -> Result<(), Error> {
        self.shared.act(self.fence().run, self.command, intent).await.map(drop)
    }

    /// Reports a failure of this attempt. What it left is kept before the tree is closed.
    pub(super) async fn fail(
        &self,
        reason: &str,
        exit: Option<Exit>,
        usage: Option<Usage>,
    ) -> Result<(), Error> {
        let report = self.report(reason, exit, usage).await?;
        self.end(Intent::Fail(report)).await
    }

    pub(super) async fn block(&self, conflicts: &[String]) -> Result<(), Error> {
        let reason = format!("what this job builds on does not merge: {}", conflicts.join(", "));
        let report = self.report(&reason, None, None).await?;
        self.end(Intent::Block { report, severity: Severity::Operator }).await
    }

    async fn give_back(
        &self,
        tree: &Tree,
        reason: &str,
        exit: Option<Exit>,
        usage: Option<Usage>,
    ) -> Result<(), Error> {
        let mut report = self.report(reason, exit, usage).await?;
        report.set_aside = self.shared.repository.set_aside(tree).await?;
        self.end(Intent::Release(report)).await
    }

    async fn report(
        &self,
        reason: &str,
        exit: Option<Exit>,
        usage: Option<Usage>,
    ) -> Result<LeaseReport, Error> {
        let reason = self.shared.engine.blobs().put(Bytes::copy_from_slice(reason.as_bytes())).await?;
        Ok(LeaseReport { reason: Some(reason), exit, usage, ..LeaseReport::new(self.fence().clone()) })
    }

    /// Ends the grant, unless it is over already: then what was to be reported does not count.
    async fn end(&self, intent: Intent) -> Result<(), Error> {
        match self.submit(intent).await {
            Err(error) if self.is_late(&error) => Ok(()),
            other => other,
        }
    }

    /// Whether a command was refused because the grant is over; those who watch are told.
    pub(super) fn is_late(&self, error: &Error) -> bool {
        let late = is_stale(error);
        if late {
            let _ = self.shared.progress.send(Progress::Stale { fence: self.fence().clone() });
        }
        late
    }
}

/// Whether a command came too late for its grant.
pub(super) fn is_stale(error: &Error) -> bool {
    matches!(error.rejection(), Some(Rejection::StaleFence { .. }))
}

/// Whether a claim came too late, or too early, and nothing is wrong.
fn is_overtaken(error: &Error) -> bool {
    use Rejection::{JobStatus, NoRoom, Paused, RunStatus, ScopeTaken};
    matches!(
        error.rejection(),
        Some(JobStatus { .. } | NoRoom { .. } | ScopeTaken { .. } | Paused | RunStatus { .. })
    ) || matches!(
        error.engine(),
        Some(EngineError::GuardFailed | EngineError::Busy { .. } | EngineError::Contended)
    )
}

impl Shared {
    /// The folder of a session, outside its tree.
    pub(super) fn session_folder(&self, grant: &Grant) -> PathBuf {
        let Fence { run, job, epoch, session } = &grant.fence;
        let name = format!("{}.{epoch}.{}", grant.attempt, session.short());
        self.data.join("sessions").join(run.to_string()).join(job.as_str()).join(name)
    }

    /// Does something that may be repeated, again and again while what it needs cannot be reached, until `stop` is triggered, or
    /// the outage has lasted too long for somebody who waits for the end.
    async fn outlast<T, F: Future<Output = Result<T, Error>>>(
        &self,
        run: RunId,
        stop: &CancellationToken,
        act: impl Fn() -> F,
    ) -> Result<T, Error> {
        let mut pause = Duration::from_millis(100);
        let begun = Instant::now();
        loop {
            let within = self.limits.effect;
            let took = timeout(within, act()).await.unwrap_or_else(|_| {
                let doing = format!("open or hand in a grant within {} s", within.as_secs());
                Err(Error::new(ErrorKind::TimedOut, doing))
            });
            match took {
                Err(error) if error.is_retryable() && !stop.is_cancelled() && self.outlasts(begun) => {
                    self.notice(Some(run), &error);
                }
                other => return other,
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => {}
            }
            pause = (pause * 2).min(self.limits.poll);
        }
    }

    /// Whether an outage that began then is still waited for.
    pub(super) fn outlasts(&self, begun: Instant) -> bool {
        self.is_service.load(Ordering::Relaxed) || begun.elapsed() < self.limits.outage
    }
}
