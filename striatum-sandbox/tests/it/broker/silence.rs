//! That nothing says the credential.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing_subscriber::fmt::MakeWriter;

use super::{
    host::{Host, response, say, used},
    scene::{REAL, Scene},
};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Kept {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_log_and_no_debug_output_says_the_credential() {
    let kept = Kept::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(kept.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let host = Host::start(|nth, mut wire| async move {
        let text = match nth {
            0 => response("401 Unauthorized", "", &format!("{{\"key\":\"{REAL}\"}}")),
            1 => response("429 Limited", &format!("x-key: {REAL}\r\n"), REAL),
            2 => format!("HTTP/1.1 {REAL}\r\n\r\n"),
            3 => response("200 OK", "content-type: text/event-stream\r\n", REAL),
            _ => used(1, 2),
        };
        say(wire.as_mut(), &text).await;
    })
    .await;
    let scene = Scene::open(&host);
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let said = scene.raw(&scene.request_to_close()).await;
        assert!(!said.contains(REAL), "{said}");
        statuses.push(said.get(9..12).unwrap_or_default().to_owned());
    }
    assert_eq!(statuses, ["401", "502", "502", "", "200"]);
    scene.lose();
    let logged = String::from_utf8(kept.0.lock().expect("nobody panicked").clone()).expect("text");
    assert!(logged.contains("broker_not_let_in") && logged.contains("broker_upstream"), "{logged}");
    assert!(!logged.contains(REAL) && !logged.contains(scene.placeholder()), "{logged}");
    assert!(!format!("{:?}", scene.session).contains(REAL));
    assert!(!format!("{:?}", scene.session).contains(scene.placeholder()));
}
