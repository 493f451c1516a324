//! Answers to requests, what agents are, and what is told to nobody.
#![expect(clippy::expect_used, reason = "a case fails by panicking")]

use striatum_core::{
    sandbox::Exit,
    transport::{Answer, RequestId, Secret, ToolServer, TransportErrorKind},
};

use super::{
    Deed::{self, End, EndTurn, HearTask, Linger},
    TransportFactory,
    stage::{Scene, employ, meet, say, soon, spec, try_meet},
};

pub async fn an_answer_to_nothing_is_refused(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [Linger]).await;
    for request in [0, 1, u64::MAX] {
        let refused = soon(scene.session.answer(RequestId(request), Answer::Allow)).await;
        assert_eq!(refused.expect_err("nobody asks").kind, TransportErrorKind::Unsupported);
    }
}

pub async fn an_answer_after_the_end_is_refused(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [End(Exit::Code(0))]).await;
    scene.story().await;
    soon(scene.session.answer(RequestId(0), Answer::Reject)).await.expect_err("nobody asks");
}

pub async fn an_agent_is_what_it_says_and_stays_so(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [say("x"), EndTurn]).await;
    let before = scene.session.agent().clone();
    scene.work(factory.turns()).await;
    assert_eq!(*scene.session.agent(), before);
}

pub async fn a_conversation_keeps_its_name(factory: &dyn TransportFactory) {
    let mut scene = meet(factory, [HearTask, EndTurn]).await;
    let before = scene.session.conversation().map(str::to_owned);
    scene.prompt("Work.").await.expect("it is taken");
    scene.work(factory.turns()).await;
    assert_eq!(scene.session.conversation().map(str::to_owned), before);
}

pub async fn nothing_shows_a_token(factory: &dyn TransportFactory) {
    const TOKEN: &str = "hunter2-hunter2";
    let tools = ToolServer::http("striatum", "http://127.0.0.1:9/mcp", Secret::new(TOKEN));
    let spec = spec().with_tools(tools);
    for script in [vec![Deed::Meet, HearTask, say("x"), EndTurn], vec![End(Exit::Code(1))]] {
        let (session, witness) = try_meet(factory, script, &spec).await;
        let mut scene = match session {
            Ok(session) => Scene { session, witness },
            Err(error) => {
                assert!(!format!("{error:?} {error}").contains(TOKEN), "{error:?}");
                continue;
            }
        };
        let _ = scene.prompt("Work.").await;
        scene.work(factory.turns()).await;
        assert!(!format!("{:?}", scene.session).contains(TOKEN), "{:?}", scene.session);
    }
}
