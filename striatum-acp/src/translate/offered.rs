//! What a session offers to choose from.

use agent_client_protocol::v1::schema::{
    NewSessionResponse, SessionConfigKind, SessionConfigOption, SessionConfigOptionCategory,
    SessionConfigSelectOptions,
};
use serde_json::{Value, json};

use striatum_core::transport::Choices;

use super::{parse, update::model_of};
use crate::{AcpError, item::brief};

/// A session as it was opened. Agents offer modes and models as such, as options, in both ways or in none.
pub(super) struct Offered {
    pub(super) session: String,
    /// The name of the model in use, and of those that there are: not in the protocol, and yet how several agents tell them.
    models: Option<(String, Vec<String>)>,
    modes: Vec<String>,
    options: Vec<SessionConfigOption>,
}

/// A request and what goes with it.
pub(super) type Request = (&'static str, Value);

impl Offered {
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
            models,
            modes: modes.map(|mode| mode.id.to_string()).collect(),
            options: opened.config_options.unwrap_or_default(),
        })
    }

    /// The model in use. Where both ways tell one, the list beside the protocol says more: there, several agents add how hard
    /// the model thinks.
    pub(super) fn current_model(&self) -> Option<String> {
        self.models.as_ref().map(|(current, _)| current.clone()).or_else(|| model_of(&self.options))
    }

    /// The requests that choose these.
    pub(super) fn choose(&self, choices: &Choices) -> Result<Vec<Request>, AcpError> {
        let mode = choices.mode.as_deref().map(|wanted| self.choose_mode(wanted));
        let model = choices.model.as_deref().map(|wanted| self.choose_model(wanted));
        let options = choices.options.iter().map(|(id, wanted)| {
            let option = self.options.iter().find(|option| *option.id.0 == **id);
            option.and_then(|option| self.set(option, wanted)).ok_or_else(|| AcpError::NotOffered {
                what: "option",
                wanted: brief(&format!("{id}={wanted}")),
            })
        });
        mode.into_iter().chain(model).chain(options).collect()
    }

    fn choose_mode(&self, wanted: &str) -> Result<Request, AcpError> {
        if self.modes.iter().any(|mode| mode == wanted) {
            return Ok(("session/set_mode", json!({ "sessionId": self.session, "modeId": wanted })));
        }
        self.choose_option(&SessionConfigOptionCategory::Mode, wanted)
            .ok_or_else(|| AcpError::NotOffered { what: "mode", wanted: brief(wanted) })
    }

    fn choose_model(&self, wanted: &str) -> Result<Request, AcpError> {
        if self.models.iter().flat_map(|(_, ids)| ids).any(|id| id == wanted) {
            return Ok(("session/set_model", json!({ "sessionId": self.session, "modelId": wanted })));
        }
        self.choose_option(&SessionConfigOptionCategory::Model, wanted)
            .ok_or_else(|| AcpError::NotOffered { what: "model", wanted: brief(wanted) })
    }

    fn choose_option(&self, category: &SessionConfigOptionCategory, wanted: &str) -> Option<Request> {
        self.set(self.options.iter().find(|option| option.category.as_ref() == Some(category))?, wanted)
    }

    fn set(&self, option: &SessionConfigOption, wanted: &str) -> Option<Request> {
        let SessionConfigKind::Select(select) = &option.kind else { return None };
        let values: Vec<_> = match &select.options {
            SessionConfigSelectOptions::Ungrouped(options) => options.iter().map(|o| &o.value).collect(),
            SessionConfigSelectOptions::Grouped(groups) => {
                groups.iter().flat_map(|group| &group.options).map(|o| &o.value).collect()
            }
            _ => return None,
        };
        values.iter().any(|value| &*value.0 == wanted).then(|| {
            let params = json!({ "sessionId": self.session, "configId": option.id, "value": wanted });
            ("session/set_config_option", params)
        })
    }
}
