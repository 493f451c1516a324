//! What holds for every workflow and every order of commands.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;
use striatum_core::{
    id::{Fence, SessionId},
    run::{CompletionRecord, Event, JobStatus, Packet, Record, Rejection, RunStatus, State, evolve},
    workflow::{Analysis, Snapshot},
};

use crate::{
    document::{Document, checkpoint, diamond, nested, revised},
    drive::{Drive, RUN, chain},
    play::{People, Player},
};

/// Two reviews of one draft that reject differently, a side branch, a checkpoint, failures and losses that are tolerated.
fn braid() -> Document {
    let jobs = Document::new()
        .job("z", "synthesis")
        .job("a", "draft")
        .with("max_attempts", 3)
        .with("interrogable", true)
        .with("on_expiry", "park");
    let jobs = jobs.job("r1", "review").with("on_reject", "skip_branch");
    let jobs = jobs.job("r2", "review").with("on_reject", "checkpoint");
    let jobs = jobs.job("b", "build").with("on_expiry", "park").job("h", "human_checkpoint").job("y", "test");
    let edges = jobs.edge("a", "r1").edge("a", "r2").edge("a", "b").edge("r1", "z").edge("r2", "z");
    let edges = edges.edge("b", "h").edge("h", "z").edge("r2", "y");
    edges.cycle("r2", "a", 2).tolerate(1, 2).at_once(3)
}

fn documents() -> Vec<Document> {
    vec![revised(), checkpoint(), diamond().tolerate(1, 1), nested(), braid()]
}

/// Reviews that decide together: a cohort, a vote with a veto, an advisor and a budget, and two phases.
fn panels() -> Vec<Document> {
    let mut cohort = Document::new().job("a", "draft").with("max_gating_abstentions", 1).job("z", "build");
    for id in ["r", "s", "t"] {
        cohort = cohort.job(id, "review").edge("a", id).edge(id, "z").cycle(id, "a", 2);
    }
    let vote = json!({"k": 2, "veto_roles": ["guard"]});
    let mut panel = Document::v2().job("a", "draft").with("budget", json!({"turns": 3}));
    panel = panel.job("z", "build").with("quorum", vote).job("g", "review").with("role_id", "guard");
    panel = panel.edge("a", "g").edge("g", "z").job("y", "test").edge("a", "y");
    panel = panel.job("v", "review").with("panel_role", "advisory").edge("a", "v").edge("v", "z");
    for id in ["r", "s"] {
        panel = panel.job(id, "review").edge("a", id).edge(id, "z").cycle(id, "a", 1);
    }
    let panel = panel.top("require_judged_delivery", true).top("budget", json!({"turns": 12}));
    let phased =
        |id: &str, kind: &str, phase: &str, jobs: Document| jobs.job(id, kind).with("phase_id", phase);
    let jobs = phased("a", "draft", "one", Document::new());
    let jobs = phased("r", "review", "one", jobs);
    let jobs = phased("s", "review", "one", jobs);
    let jobs = phased("settle", "phase_synthesis", "one", jobs);
    let jobs = phased("b", "build", "two", jobs);
    let jobs = phased("close", "phase_synthesis", "two", jobs);
    let jobs =
        jobs.edge("a", "r").edge("a", "s").edge("settle", "b").cycle("r", "a", 1).cycle("settle", "a", 1);
    let phases = jobs.top("schema_version", "striatum.workflow.v1.1");
    let phases = phases.top("phases", json!([{"id": "one"}, {"id": "two"}]));
    vec![cohort.tolerate(1, 3), panel.tolerate(1, 3), phases.tolerate(1, 2)]
}

/// Plays a document and calls `check` after each command that was accepted.
fn play(snapshot: &Snapshot, seed: u64, people: People, steps: usize, check: fn(&Drive)) -> Drive {
    let mut player = Player::new(seed, people);
    let mut run = Drive::of(snapshot.clone());
    for _ in 0..steps {
        let (actor, intent) = player.next(&run.state);
        let (name, before) = (intent.name(), run.state.clone());
        match run.give(actor, intent) {
            Ok(_) => check(&run),
            Err(Rejection::Defect { detail }) => panic!("seed {seed}: {name}: {detail}: {}", run.show()),
            Err(_) => assert_eq!(run.state, before),
        }
    }
    run
}

fn each_game(steps: usize, check: fn(&Drive)) -> impl Iterator<Item = Drive> {
    each_game_of(documents().into_iter().chain(panels()), steps, check)
}

fn each_game_of(
    documents: impl IntoIterator<Item = Document>,
    steps: usize,
    check: fn(&Drive),
) -> impl Iterator<Item = Drive> {
    let snapshots = documents.into_iter().map(|document| document.snapshot());
    let games = snapshots.flat_map(|snapshot| (0..20).map(move |seed| (snapshot.clone(), seed)));
    games.map(move |(snapshot, seed)| play(&snapshot, seed, People::There, steps, check))
}

fn folded(run: &Drive) -> State {
    let mut state = State::new(chain(), RUN, Arc::new(run.state.snapshot().as_ref().clone()));
    for (body, n) in run.log.iter().zip(1..) {
        let record = Record::decode(body).unwrap();
        assert_eq!((record.n, record.encode().unwrap()), (n, body.clone()));
        evolve(&mut state, &record.event).unwrap();
    }
    state
}

#[test]
fn whatever_is_decided_is_accepted_and_the_stored_log_gives_the_same_state() {
    let mut kinds = BTreeSet::new();
    for run in each_game(150, |_| {}) {
        assert_eq!(folded(&run), run.state);
        kinds.extend(run.log.iter().map(|body| Record::decode(body).unwrap().event.kind()));
    }
    // Only long runs have ends that need it.
    kinds.insert("jobs.canceled");
    let is_new = kinds.insert("session.registered");
    assert!(is_new, "only old logs have it");
    assert_eq!(kinds, Event::KINDS.iter().copied().collect(), "every kind of event was met");
}

#[test]
fn a_run_has_ended_exactly_when_all_its_jobs_have() {
    let games = each_game(150, |run| {
        let all = run.state.jobs().all(|(_, job)| job.status.is_terminal());
        assert_eq!(run.status().has_ended(), all, "{}", run.show());
        if run.status().has_ended() {
            let record = CompletionRecord::new(&run.state).unwrap().digest();
            assert_eq!(run.state.record(), Some(record));
        } else {
            assert_eq!((run.state.record(), CompletionRecord::new(&run.state)), (None, None));
        }
    });
    let ended: BTreeSet<_> = games.map(|run| run.status()).collect();
    assert!(ended.len() >= 4, "the games are too much alike: {ended:?}");
}

#[test]
fn no_open_job_is_stuck_and_nothing_begins_before_what_it_waits_for() {
    let games = each_game_of(documents(), 150, |run| {
        let graph = run.state.snapshot().graph();
        let statuses: Vec<JobStatus> = run.state.jobs().map(|(_, job)| job.status).collect();
        if run.status() != RunStatus::Running {
            return;
        }
        for (job, status) in statuses.iter().enumerate() {
            let before = || graph.upstream(job).iter().map(|job| statuses[*job]);
            let satisfied = before().all(|status| status == JobStatus::Completed);
            let show = || format!("job {job}: {}", run.show());
            match status {
                JobStatus::Pending => {
                    assert!(!satisfied, "{}", show());
                    assert!(before().all(|it| it == JobStatus::Completed || !it.is_terminal()), "{}", show());
                }
                JobStatus::Skipped | JobStatus::Canceled => {}
                _ => assert!(satisfied, "{}", show()),
            }
        }
    });
    games.for_each(drop);
}

#[test]
fn a_lease_has_one_holder_a_holder_one_lease_and_its_packet_stays() {
    let games = each_game(150, |run| {
        let mut holders = BTreeSet::new();
        for (spec, job) in run.state.jobs() {
            assert_eq!(job.lease.is_some(), job.status.is_held(), "{}", run.show());
            let Some(lease) = &job.lease else { continue };
            assert!(holders.insert(lease.session), "{}", run.show());
            let fence = run.state.fence(&spec.id).unwrap();
            assert_eq!(Packet::of(&run.state, &fence).unwrap().digest(), lease.packet);
        }
        let limit = run.state.workflow().parallelism.max_active_jobs;
        assert_eq!(run.state.room(), limit - u32::try_from(holders.len()).unwrap());
    });
    games.for_each(drop);
}

#[test]
fn no_grant_is_made_twice_and_no_verdict_is_by_a_session_that_took_part() {
    for run in each_game(200, |_| {}) {
        let mut grants = BTreeSet::<(String, u32)>::new();
        let mut parts = BTreeSet::<(String, SessionId)>::new();
        for body in &run.log {
            match Record::decode(body).unwrap().event {
                Event::JobClaimed(it) => {
                    let epochs = grants.iter().filter(|(job, _)| *job == it.job.as_str()).count();
                    assert_eq!(it.epoch as usize, epochs + 1);
                    assert!(grants.insert((it.job.to_string(), it.epoch)));
                    parts.insert((it.job.to_string(), it.session));
                }
                Event::VerdictRecorded(it) => {
                    let graph = run.state.snapshot().graph();
                    for upstream in graph.all_upstream(graph.index(&it.job).unwrap()) {
                        let job = run.state.workflow().jobs[upstream].id.to_string();
                        assert!(!parts.contains(&(job, it.session)), "{}", it.job);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Without people a panel comes to its end, or to somebody who is asked; and within the bound that is told beforehand.
#[test]
fn a_panel_left_to_itself_ends_or_asks() {
    for document in panels() {
        let snapshot = document.snapshot();
        let bound = Analysis::of(snapshot.workflow()).unwrap().total_grants();
        for seed in 0..40 {
            let run = play(&snapshot, seed, People::Away, 1500, |_| {});
            let asked: u32 = run.state.jobs().map(|(_, job)| job.asked).sum();
            let grants: u32 = run.state.jobs().map(|(_, job)| job.epoch).sum();
            assert!(u64::from(grants - asked) <= bound, "seed {seed}: {grants} of {bound}: {}", run.show());
            let waiting =
                [JobStatus::WaitingHuman, JobStatus::Blocked, JobStatus::Parked, JobStatus::AwaitingInput];
            let is_asking =
                run.state.is_paused() || run.state.jobs().any(|(_, job)| waiting.contains(&job.status));
            assert!(run.status().has_ended() || is_asking, "seed {seed}: {}", run.show());
        }
    }
}

/// Without people a run makes as many grants as its bounds allow, and then rests.
#[test]
fn grants_are_bounded() {
    for document in documents() {
        let snapshot = document.snapshot();
        let workflow = snapshot.workflow();
        let rounds: u32 = workflow.cycles.iter().map(|cycle| cycle.max_iterations + 1).product();
        let each = rounds * (workflow.recovery_policy.max_requeues + 1);
        let bound: u32 = workflow.jobs.iter().map(|job| job.max_attempts * each).sum();
        for seed in 0..20 {
            let run = play(&snapshot, seed, People::Away, 1500, |_| {});
            let grants: u32 = run.state.jobs().map(|(_, job)| job.epoch).sum();
            assert!(grants <= bound, "{grants} of at most {bound}: {}", run.show());
            let moving = [JobStatus::Ready, JobStatus::Claimed, JobStatus::Running];
            let rests = run.state.jobs().all(|(_, job)| !moving.contains(&job.status));
            assert!(rests, "seed {seed}: {}", run.show());
        }
    }
}

/// What a shell may repeat without harm is decided by the machine, never by folding twice.
#[test]
fn an_event_does_not_follow_itself() {
    for run in each_game(150, |_| {}) {
        let mut state = State::new(chain(), RUN, run.state.snapshot().clone());
        for body in &run.log {
            let event = Record::decode(body).unwrap().event;
            evolve(&mut state, &event).unwrap();
            let harmless = matches!(event, Event::SessionIdentified(_) | Event::JobsReopened(_));
            let again = evolve(&mut state.clone(), &event);
            assert!(harmless || again.is_err(), "{event:?} was folded twice");
        }
    }
}

#[test]
fn a_fence_that_was_live_once_is_never_live_again() {
    for run in each_game(150, |_| {}) {
        let mut state = State::new(chain(), RUN, run.state.snapshot().clone());
        let mut live = BTreeSet::<Fence>::new();
        let mut over = BTreeSet::<Fence>::new();
        for body in &run.log {
            evolve(&mut state, &Record::decode(body).unwrap().event).unwrap();
            let now: BTreeSet<Fence> = state.jobs().filter_map(|(spec, _)| state.fence(&spec.id)).collect();
            over.extend(live.difference(&now).cloned());
            assert!(now.is_disjoint(&over));
            live = now;
        }
    }
}
