//! The program on the operators' interface, over a run of the testkit's.

use std::{error::Error, fs, net::SocketAddr, sync::Arc, sync::mpsc, thread, time::Duration};

use clap::Parser as _;
use ratatui::crossterm::event::KeyCode;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use striatum_core::{
    id::RunId,
    run::{Actor, Intent, JobStatus, LeaseReport, Ruling, State, Supersede},
    workflow::{JobBuilder, LaneBuilder, Workflow},
};
use striatum_server::{
    Boundary, Refusal,
    authority::{Authority, Capabilities, Capability, OperatorScope, Scope, SigningKey},
    operators::{Branch, Document, Operators, Prepared, Problem, Repository, Served},
};
use striatum_testkit::harness::Harness;
use tokio::{net::TcpListener, task::block_in_place};

use crate::{Args, board::Board, interface::Interface, perform};

type Tested = Result<(), Box<dyn Error + Send + Sync>>;

/// A run with a question, an escalation and a checkpoint, and who lets operators in to it.
struct Site {
    run: Harness,
    authority: Arc<Authority>,
    token: String,
}

impl Site {
    async fn new() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let sign = JobBuilder::human_checkpoint("sign").by("r", "l").title("Sign it").objective("Sign.");
        let workflow = Workflow::builder("greeting")
            .lane("l", LaneBuilder::process(["agent"]))
            .role("r", "Works.")
            .max_active_jobs(2)
            .job(JobBuilder::draft("draft").by("r", "l").objective("Write.").writes(["docs/"]))
            .job(sign.writes(["signed/"]).artifact("signed", "signed/note.md"))
            .build()?;
        let mut run = Harness::start(&workflow.workflow).await?;
        let keep = async |text: &str| run.engine().blobs().put(text.to_owned().into()).await;
        let (question, reason) = (keep("Which \u{1b}[2Jcolour?").await?, keep("The disk is full.").await?);
        let report = LeaseReport::new(run.claim("draft").await?.fence);
        run.give(Intent::Ask { report, question, resume: None, of: None }).await?;
        run.give(Intent::Escalate { job: None, reason }).await?;

        let key = SigningKey::from_bytes([7; 32]);
        let authority = Arc::new(Authority::new(key, Arc::new(run.clock().clone())));
        let scope = Scope::Operator(OperatorScope {
            actor: Actor::Human("ada".to_owned()),
            repository: None,
            capabilities: Capabilities::of(Capability::ALL),
        });
        let issued = authority.issue(scope, Duration::from_secs(3600))?;
        Ok(Self { run, authority, token: issued.secret.expose_secret().to_owned() })
    }

    /// Serves operators until the answer is dropped.
    async fn serve(&self, at: Option<SocketAddr>) -> Result<Served, Box<dyn Error + Send + Sync>> {
        let filed: Arc<dyn Repository> = Arc::new(Nothing);
        let (engine, chain) = (self.run.engine().clone(), self.run.state().chain().clone());
        let served = Operators::open(engine, self.authority.clone(), [(chain, filed)], Boundary::default());
        let served = served.await?;
        let listener = loop {
            // Whoever listened there before may not have left yet.
            match TcpListener::bind(at.unwrap_or(([127, 0, 0, 1], 0).into())).await {
                Err(_) if at.is_some() => tokio::task::yield_now().await,
                bound => break bound?,
            }
        };
        Ok(served.serve(listener)?)
    }

    fn interface(&self, served: &Served) -> Interface {
        Interface::new(&format!("http://{}/", served.address()), &self.token)
    }

    async fn state(&self) -> Result<State, Box<dyn Error + Send + Sync>> {
        Ok(self.run.engine().load(self.run.state().run()).await?.state)
    }
}

/// A repository without files.
#[derive(Debug)]
struct Nothing;

#[async_trait::async_trait]
impl Repository for Nothing {
    async fn prepare(&self, _document: Document, _actor: &Actor) -> Result<Prepared, Problem> {
        Err(Problem::of(422, Refusal::new("file_unreadable", "there are no files here", "bring some")))
    }

    async fn branch(&self, _run: RunId, _wanted: Option<&str>) -> Result<Branch, Problem> {
        Ok(Branch { name: "result".to_owned(), at: None })
    }

    async fn amend(&self, _run: RunId, _actor: &Actor, wanted: Supersede) -> Result<Supersede, Problem> {
        Ok(wanted)
    }
}

#[track_caller]
fn expect_lines(board: &Board, lines: &[&str]) {
    let shown = board.to_string();
    for line in lines {
        assert!(shown.contains(line), "{line:?} is missing in\n{shown}");
    }
}

fn type_in(board: &mut Board, text: &str) {
    text.chars().for_each(|letter| board.press(KeyCode::Char(letter)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_shown_in_its_words_and_answered_by_keys() -> Tested {
    let site = Site::new().await?;
    let served = site.serve(None).await?;
    let mut board = Board::new(site.interface(&served), "workflow.json".to_owned());
    block_in_place(|| {
        board.refresh()?;
        let waiting = [
            "1 question: draft",
            "Which [2Jcolour?",
            "2 escalation:  raised",
            "The disk is full.",
            "3 job: sign",
        ];
        expect_lines(&board, &["> 7e7e7e7e running", "draft                    awaiting_input attempt 1"]);
        expect_lines(&board, &waiting);
        assert!(!board.to_string().contains('\u{1b}'), "what agents write does not steer the terminal");

        // While it is typed, letters are no commands, and what was typed can be taken back.
        board.press(KeyCode::Char('1'));
        type_in(&mut board, "Bluex");
        board.press(KeyCode::Backspace);
        expect_lines(&board, &["(your answer)\n> Blue\n"]);
        board.press(KeyCode::Enter);
        expect_lines(&board, &["draft                    ready", "\ndone\n"]);
        for (typed, result) in
            [("reject Buy another.", "\ndone\n"), ("continue Signed by hand.", "completed")]
        {
            board.press(KeyCode::Char('1'));
            type_in(&mut board, typed);
            board.press(KeyCode::Enter);
            expect_lines(&board, &[result]);
        }
        Tested::Ok(())
    })?;
    let state = site.state().await?;
    assert_eq!(state.open_questions().count(), 0);
    assert_eq!(state.escalations()[0].ruling, Some(Ruling::Reject));
    let sign = &"sign".parse()?;
    assert_eq!(state.job(sign).map(|job| (job.status, job.artifacts.len())), Some((JobStatus::Completed, 1)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_steer_the_chosen_run_and_what_is_refused_is_said() -> Tested {
    let site = Site::new().await?;
    let served = site.serve(None).await?;
    let mut board = Board::new(site.interface(&served), "workflow.json".to_owned());
    block_in_place(|| {
        board.refresh()?;
        for (key, lines) in [
            (KeyCode::Char('9'), &["q quit"][..]),
            (KeyCode::Char('n'), &["file_unreadable: there are no files here (bring some)"]),
            (KeyCode::Char('p'), &["greeting (paused)", "\ndone\n"]),
            (KeyCode::Down, &["> 7e7e7e7e"]),
            (KeyCode::Char('x'), &["> 7e7e7e7e canceled"]),
        ] {
            board.press(key);
            expect_lines(&board, lines);
        }
        board.press(KeyCode::Char('q'));
        assert!(board.is_done);
        Tested::Ok(())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_once_gets_a_page_and_who_has_no_token_a_reason() -> Tested {
    let site = Site::new().await?;
    let served = site.serve(None).await?;
    let folder = tempfile::tempdir()?;
    let once = |token: &str| {
        let file = folder.path().join("token");
        fs::write(&file, format!("{token}\n"))?;
        let url = format!("http://{}", served.address());
        let args = Args::try_parse_from(["watch", &url, &file.to_string_lossy(), "--once"])?;
        let mut page = Vec::new();
        block_in_place(|| perform(args, &mut page))?;
        Ok::<_, Box<dyn Error + Send + Sync>>(String::from_utf8(page)?)
    };
    let page = once(&site.token)?;
    assert!(page.starts_with("> 7e7e7e7e running"), "{page}");
    assert!(page.contains("\nwaits for a person\n  1 question: draft"), "{page}");
    let refused = once("striatum_e30.e30").err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.starts_with("token_invalid: "), "{refused}");
    Ok(())
}

/// The kind of the next event.
fn next(happened: &mpsc::Receiver<Value>) -> Result<String, mpsc::RecvTimeoutError> {
    loop {
        let event = happened.recv_timeout(Duration::from_secs(60))?;
        if let Some(kind) = event["body"]["kind"].as_str() {
            return Ok(kind.to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_goes_on_where_it_was() -> Tested {
    let mut site = Site::new().await?;
    let served = site.serve(None).await?;
    let (told, happened) = mpsc::channel();
    let interface = site.interface(&served);
    thread::spawn(move || interface.follow(&told));
    for _ in ["it begins", "it is let in"] {
        assert_eq!(block_in_place(|| happened.recv_timeout(Duration::from_secs(60)))?, Value::Null);
    }
    site.run.give(Intent::Pause).await?;
    assert_eq!(block_in_place(|| next(&happened))?, "run.paused");
    let address = served.address();
    drop(served);
    site.run.give(Intent::Resume).await?;
    site.run.give(Intent::Pause).await?;
    let served = site.serve(Some(address)).await?;
    for kind in ["run.resumed", "run.paused"] {
        assert_eq!(block_in_place(|| next(&happened))?, kind);
    }
    site.run.give(Intent::Cancel { reason: None }).await?;
    let mut board = Board::new(site.interface(&served), String::new());
    // What was told before the cut was noticed is behind us; the begin of the second stream may not be.
    let mut is_told = false;
    while !is_told {
        let event = block_in_place(|| happened.recv_timeout(Duration::from_secs(60)))?;
        is_told = !event.is_null();
        block_in_place(|| board.take_up(std::iter::once(event)));
    }
    expect_lines(&board, &["7e7e7e7e run.ended", "> 7e7e7e7e canceled"]);
    Ok(())
}
