//! What a session offers to choose from.

use agent_client_protocol::v1::schema::{
    NewSessionResponse, SessionConfigKind, SessionConfigOption, SessionConfigOptionCategory,
    SessionConfigOptionValue, SessionConfigSelectOptions, SetSessionConfigOptionRequest,
};
use serde_json::{Value, json};

use striatum_core::transport::Choices;

use super::{parse, update::model_of};
use crate::{AcpError, item::brief};

/// No more names of what an agent offers are told in an error.
const MAX_NAMES: usize = 64;

/// A session as it was opened. Agents offer modes and models as such, as options, in both ways or in none.
pub(super) struct Offered {
    pub(super) session: String,
    /// Whether it was begun earlier.
    pub(super) is_earlier: bool,
    /// The name of the model in use, and of those that there are: not in the protocol, and yet how several agents tell them.
    models: Option<(String, Vec<String>)>,
    modes: Vec<String>,
    options: Vec<SessionConfigOption>,
}

/// A request and what goes with it.
pub(super) type Request = (&'static str, Value);

/// One thing that is chosen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Choice<'a> {
    Mode(&'a str),
    Model(&'a str),
    Option(&'a str, &'a str),
}

/// One after the other: what a mode or a model brings with it can be chosen after it.
pub(super) fn each(choices: &Choices) -> impl Iterator<Item = Choice<'_>> {
    let mode = choices.mode.as_deref().map(Choice::Mode);
    let model = choices.model.as_deref().map(Choice::Model);
    let options = choices.options.iter().map(|(id, value)| Choice::Option(id, value));
    mode.into_iter().chain(model).chain(options)
}

impl Offered {
    /// The same of an earlier session, which is gone on with: its name is ours to know. An answer may be nothing at all.
    pub(super) fn again(answer: Value, session: &str) -> Result<Self, AcpError> {
        let mut answer = if answer.is_null() { json!({}) } else { answer };
        let fields = answer.as_object_mut().ok_or(AcpError::Malformed { method: "session/load" })?;
        fields.insert("sessionId".to_owned(), json!(session));
        Ok(Self { is_earlier: true, ..Self::read(answer)? })
    }

    pub(super) fn read(answer: Value) -> Result<Self, AcpError> {
        let models = answer.get("models").and_then(|models| {
            let ids = models.get("availableModels").and_then(Value::as_array).into_iter().flatten();
            let ids = ids.filter_map(|model| model.get("modelId")?.as_str().map(str::to_owned)).collect();
            Some((models.get("currentModelId")?.as_str()?.to_owned(), ids))
        });
        let opened: NewSessionResponse = parse("session/new", answer)?;
        let modes = opened.modes.into_iter().flat_map(|modes| modes.available_modes);
        Ok(Self {
            session: opened.session_id.to_string(),
            is_earlier: false,
            models,
            modes: modes.map(|mode| mode.id.to_string()).collect(),
            options: opened.config_options.unwrap_or_default(),
        })
    }

    /// Whether there is nothing to choose from.
    pub(super) fn is_empty(&self) -> bool {
        self.modes.is_empty() && self.models.is_none() && self.options.is_empty()
    }

    /// The model in use. Where both ways tell one, the list beside the protocol says more: there, several agents add how hard
    /// the model thinks.
    pub(super) fn current_model(&self) -> Option<String> {
        self.models.as_ref().map(|(current, _)| current.clone()).or_else(|| model_of(&self.options))
    }

    /// Takes note of what an agent says when something was chosen: its options may have become others.
    pub(super) fn renew(&mut self, answer: &Value) {
        let Some(options) = answer.get("configOptions").and_then(Value::as_array) else { return };
        // One of a kind that we do not know is none.
        self.options =
            options.iter().filter_map(|option| serde_json::from_value(option.clone()).ok()).collect();
    }

    /// The request that chooses this.
    pub(super) fn choose(&self, choice: Choice<'_>) -> Result<Request, AcpError> {
        match choice {
            Choice::Mode(wanted) if self.modes.iter().any(|mode| mode == wanted) => {
                Ok(("session/set_mode", json!({ "sessionId": self.session, "modeId": wanted })))
            }
            Choice::Mode(wanted) => {
                let option = self.of_category(&SessionConfigOptionCategory::Mode);
                let offered = self.modes.iter().cloned().chain(option.into_iter().flat_map(values));
                self.set(option, wanted).ok_or_else(|| not_offered("mode", wanted, offered))
            }
            Choice::Model(wanted) if self.models().any(|id| id == wanted) => {
                Ok(("session/set_model", json!({ "sessionId": self.session, "modelId": wanted })))
            }
            Choice::Model(wanted) => {
                let option = self.of_category(&SessionConfigOptionCategory::Model);
                let offered = self.models().cloned().chain(option.into_iter().flat_map(values));
                self.set(option, wanted).ok_or_else(|| not_offered("model", wanted, offered))
            }
            Choice::Option(id, wanted) => {
                let Some(option) = self.options.iter().find(|option| *option.id.0 == *id) else {
                    let offered = self.options.iter().map(|option| option.id.to_string());
                    return Err(not_offered("option", id, offered));
                };
                let offered = values(option).map(|value| format!("{id}={value}"));
                self.set(Some(option), wanted)
                    .ok_or_else(|| not_offered("option", &format!("{id}={wanted}"), offered))
            }
        }
    }

    fn models(&self) -> impl Iterator<Item = &String> {
        self.models.iter().flat_map(|(_, ids)| ids)
    }

    fn of_category(&self, category: &SessionConfigOptionCategory) -> Option<&SessionConfigOption> {
        self.options.iter().find(|option| option.category.as_ref() == Some(category))
    }

    /// Sets an option to one of its values.
    fn set(&self, option: Option<&SessionConfigOption>, wanted: &str) -> Option<Request> {
        let option = option.filter(|option| values(option).any(|value| value == wanted))?;
        let value = match &option.kind {
            SessionConfigKind::Boolean(_) => SessionConfigOptionValue::boolean(wanted == "true"),
            _ => SessionConfigOptionValue::value_id(wanted.to_owned()),
        };
        let request = SetSessionConfigOptionRequest::new(self.session.clone(), option.id.clone(), value);
        Some(("session/set_config_option", serde_json::to_value(request).ok()?))
    }
}

/// What an option can be set to.
fn values(option: &SessionConfigOption) -> impl Iterator<Item = String> {
    let values: Vec<String> = match &option.kind {
        SessionConfigKind::Boolean(_) => vec!["true".to_owned(), "false".to_owned()],
        SessionConfigKind::Select(select) => match &select.options {
            SessionConfigSelectOptions::Ungrouped(options) => {
                options.iter().map(|option| option.value.to_string()).collect()
            }
            SessionConfigSelectOptions::Grouped(groups) => groups
                .iter()
                .flat_map(|group| &group.options)
                .map(|option| option.value.to_string())
                .collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    values.into_iter()
}

fn not_offered(what: &'static str, wanted: &str, offered: impl Iterator<Item = String>) -> AcpError {
    let offered = offered.take(MAX_NAMES).map(|name| brief(&name)).collect();
    AcpError::NotOffered { what, wanted: brief(wanted), offered }
}
