//! That agents behind walls do their work, and never have the credential that their model is asked with.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use rustix::io::Errno;
use striatum::core::id::RunId;
use striatum_testkit::llm::{Conversation, MockLlm};

use crate::{
    Outcome,
    agents::{Agent, Installed},
    ensure,
    scan::{Search, descendants},
    scene::{Scene, leaders, sessions},
    script, success,
    walled::{Brokered, PLACEHOLDER},
};

/// One change is reviewed and delivered by these agents, behind walls and through a broker. In the middle of each job everything that
/// its agent has is searched.
pub(crate) async fn kept(installed: &Installed, parts: [Agent; 3]) -> Outcome<String> {
    let brokered = Brokered::new()?;
    let watch = Arc::new(Watch::new(&brokered.real));
    let watching = watch.clone();
    let model = MockLlm::start(move |conversation| {
        watching.look(conversation);
        script::reviewed_change(conversation)
    });
    let model = model.await?;
    let scene = Scene::behind_walls(installed, &model.url(), parts, &brokered).await?;
    watch.begin(&scene);
    let state = scene.work().await?;
    success::expect_reviewed(&scene, &state).await?;

    let Found { mut search, looks, failed } = watch.found();
    ensure(failed.is_empty(), || format!("not everything could be searched: {}", failed.join("; ")))?;
    ensure(looks >= 5, || format!("agents were searched {looks} times only"))?;
    search.bytes("what agents and broker said", &brokered.heard());
    search.files(scene.folder());
    let found = search.places(REAL);
    ensure(found.is_empty(), || format!("the credential was found: {}", found.join("; ")))?;
    for place in ["environ", "memory", "what agents and broker said"] {
        ensure(search.places(WORTHLESS).iter().any(|found| found.starts_with(place)), || {
            format!("no placeholder was found in any {place}, where agents must have it")
        })?;
    }

    let asked = model.asked();
    for request in &asked {
        let shown = format!("{request:?}");
        ensure(shown.contains(&brokered.real), || format!("asked without the credential: {}", request.line))?;
        ensure(!shown.contains(PLACEHOLDER), || format!("a placeholder went out: {}", request.line))?;
    }
    Ok(format!(
        "{} requests to the model; {looks} searches, {} MB: the placeholder in {} places, the credential in none; {}",
        asked.len(),
        search.bytes >> 20,
        search.places(WORTHLESS).len(),
        success::identities(&state)
    ))
}

/// Searches agents while they wait for their model.
struct Watch {
    scene: OnceLock<(PathBuf, RunId)>,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    search: Search,
    looks: usize,
    failed: Vec<String>,
}

/// What is searched for, in this order.
const REAL: usize = 0;
const WORTHLESS: usize = 1;

impl Watch {
    fn new(real: &str) -> Self {
        let found = Found { search: Search::of(&[real, PLACEHOLDER]), ..Found::default() };
        Self { scene: OnceLock::new(), found: Mutex::new(found) }
    }

    fn begin(&self, scene: &Scene) {
        // It is set once, before anybody looks.
        let _ = self.scene.set((scene.folder().to_owned(), scene.run));
    }

    /// Looks at the agents once in each job, when they have done something already.
    fn look(&self, conversation: &Conversation) {
        if conversation.tools.is_empty() || !script::is_after_first_step(conversation) {
            return;
        }
        let Some((folder, run)) = self.scene.get() else { return };
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = found.look(folder, *run) {
            found.failed.push(error.to_string());
        }
    }

    fn found(&self) -> Found {
        std::mem::take(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Found {
    fn look(&mut self, folder: &Path, run: RunId) -> Outcome<()> {
        let mut roots = Vec::new();
        for job in fs::read_dir(sessions(folder, run))? {
            roots.extend(leaders(&job?.path())?);
        }
        for pid in descendants(&roots) {
            // One that ends meanwhile lets go of its memory, then of its root, and is listed until somebody has heard of its end.
            let ended = [Errno::SRCH, Errno::NOENT].map(|errno| Some(errno.raw_os_error()));
            match self.search.process(pid) {
                Err(error) if ended.contains(&error.raw_os_error()) => {}
                searched => searched?,
            }
        }
        self.search.files(folder);
        self.looks += 1;
        Ok(())
    }
}
