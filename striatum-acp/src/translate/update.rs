//! What an agent tells of its work, in our words.

use agent_client_protocol::{
    RawJsonRpcParams,
    v1::schema::{
        ContentBlock, SessionConfigKind, SessionConfigOption, SessionConfigOptionCategory,
        SessionNotification, SessionUpdate, ToolCall, ToolCallLocation, ToolCallStatus, ToolCallUpdate,
        ToolKind as TheirKind,
    },
};
use striatum_core::transport::Stream;

use super::spend::in_words_of;
use crate::{
    ToolKind,
    state::{Call, Shared},
};

/// What is worth passing on.
pub(super) enum Seen {
    Said(Stream, String),
    /// A piece of text, and how many tokens the turn has cost with it.
    Spent(String, u64),
    Model(String),
    /// How many tokens the model has before it, and which model, if that is told as well.
    Context(u64, Option<String>),
}

/// Takes note of an update. `None` if nobody need know, as of those that we do not know ourselves.
pub(super) fn see(params: RawJsonRpcParams, state: &Shared) -> Option<Seen> {
    let note: SessionNotification = match serde_json::from_value(params.into_value()) {
        Ok(note) => note,
        Err(error) => {
            tracing::debug!(line = error.line(), "an agent's update of an unknown form is passed over");
            return None;
        }
    };
    let mut state = state.lock();
    match note.update {
        SessionUpdate::AgentMessageChunk(chunk) => {
            let ContentBlock::Text(text) = chunk.content else { return None };
            let turn = state.turn.as_mut()?;
            turn.say(&text.text);
            // Some agents tell here, in a piece without text, what each call of their model cost.
            let usage = chunk.meta.as_ref().and_then(|meta| meta.get("usage")).and_then(in_words_of);
            let Some(usage) = usage else { return Some(Seen::Said(Stream::Out, text.text)) };
            turn.spend = turn.spend.plus(usage);
            Some(Seen::Spent(text.text, turn.spend.tokens()))
        }
        SessionUpdate::AgentThoughtChunk(chunk) => {
            let ContentBlock::Text(text) = chunk.content else { return None };
            state.turn.as_ref()?;
            Some(Seen::Said(Stream::Err, text.text))
        }
        SessionUpdate::ToolCall(call) => {
            let (id, news) = of_call(call);
            let (call, _) = state.calls.learn(&id, news);
            state.turn.as_mut()?.calls += 1;
            Some(Seen::Said(Stream::Out, line(&call)))
        }
        SessionUpdate::ToolCallUpdate(update) => {
            let (id, news) = of_call_update(update);
            let (call, is_news) = state.calls.learn(&id, news);
            state.turn.as_mut()?.calls += 1;
            is_news.then(|| Seen::Said(Stream::Out, line(&call)))
        }
        SessionUpdate::UsageUpdate(usage) => {
            // Claude tells so which model its alias stands for.
            let named = usage.meta.as_ref().and_then(|meta| meta.get("_claude/model")?.as_str());
            Some(Seen::Context(usage.used, named.map(str::to_owned)))
        }
        SessionUpdate::ConfigOptionUpdate(update) => model_of(&update.config_options).map(Seen::Model),
        _ => None,
    }
}

/// The model that an agent's options name.
pub(super) fn model_of(options: &[SessionConfigOption]) -> Option<String> {
    let option = options.iter().find(|o| o.category == Some(SessionConfigOptionCategory::Model))?;
    let SessionConfigKind::Select(select) = &option.kind else { return None };
    Some(select.current_value.to_string())
}

pub(super) fn of_call_update(update: ToolCallUpdate) -> (String, Call) {
    let fields = update.fields;
    let call = Call {
        kind: fields.kind.map(kind),
        title: fields.title,
        name: None,
        status: fields.status.and_then(status),
        paths: fields.locations.map(paths),
    };
    (update.tool_call_id.to_string(), call)
}

fn of_call(call: ToolCall) -> (String, Call) {
    let news = Call {
        kind: Some(kind(call.kind)),
        name: Some(call.title.clone()),
        title: Some(call.title),
        status: status(call.status),
        paths: Some(paths(call.locations)),
    };
    (call.tool_call_id.to_string(), news)
}

fn paths(locations: Vec<ToolCallLocation>) -> Vec<std::path::PathBuf> {
    locations.into_iter().map(|location| location.path).collect()
}

fn line(call: &Call) -> String {
    let title = call.title.as_deref().unwrap_or("a tool");
    // One line, whatever the agent thinks a title is.
    let title: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    format!("\n[{}] {title}\n", call.status.unwrap_or("pending"))
}

fn status(status: ToolCallStatus) -> Option<&'static str> {
    Some(match status {
        ToolCallStatus::Pending => "pending",
        ToolCallStatus::InProgress => "running",
        ToolCallStatus::Completed => "done",
        ToolCallStatus::Failed => "failed",
        _ => return None,
    })
}

fn kind(kind: TheirKind) -> ToolKind {
    match kind {
        TheirKind::Read => ToolKind::Read,
        TheirKind::Edit => ToolKind::Edit,
        TheirKind::Delete => ToolKind::Delete,
        TheirKind::Move => ToolKind::Move,
        TheirKind::Search => ToolKind::Search,
        TheirKind::Execute => ToolKind::Execute,
        TheirKind::Think => ToolKind::Think,
        TheirKind::Fetch => ToolKind::Fetch,
        TheirKind::SwitchMode => ToolKind::SwitchMode,
        _ => ToolKind::Other,
    }
}
