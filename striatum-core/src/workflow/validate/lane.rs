//! Reads a lane.

use std::collections::BTreeMap;

use super::{
    known::Context,
    panel,
    reader::{At, Fields, one_of},
    report::Detail,
    text,
};
use crate::{
    id::LaneId,
    sandbox::Level,
    transport::Choices,
    workflow::{Constraint, FindingCode, HarnessProfile, Lane, SchemaVersion, WorktreeIsolation},
};

/// Keys of the format that change nothing about how an agent is run here.
const IGNORED: &[&str] = &["adapter_capabilities", "supervision", "model", "placement", "path_prefix"];

pub(super) fn read(at: &At<'_>, context: &Context<'_>) -> Option<Lane> {
    let fields = at.fields()?;
    let adapter = fields.required("adapter").and_then(|at| adapter(&at)).unwrap_or_default();
    let lane = Lane {
        command: command(&fields, &adapter),
        agent: agent(&fields, &adapter),
        adapter,
        display_model: fields.get("display_model").and_then(|at| at.filled()).map(str::to_owned),
        capabilities: fields.list("capabilities", |at| at.text().map(str::to_owned)),
        constraints: constraints(&fields, context),
        required_enforcement: required_enforcement(&fields),
        worktree_isolation: fields.choice("worktree_isolation").unwrap_or(WorktreeIsolation::Off),
        env: env(&fields),
        adapter_timeout_seconds: fields.number("adapter_timeout_seconds", 1..=86_400),
        allowed_filters: panel::distinct(&fields, "allowed_filters", filter),
        harness_profile_id: fields.get("harness_profile_id").and_then(|at| context.profiles.resolve(&at)),
    };
    fields.since(SchemaVersion::V2, &["agent", "allowed_filters"], context.version);
    fields.ignore(IGNORED);
    fields.finish();
    Some(lane)
}

/// A document may say anything else about a tool, for those who read it.
pub(super) fn profile(at: &At<'_>) -> Option<HarnessProfile> {
    let fields = at.fields()?;
    let tool_family = fields.required("tool_family").and_then(|at| at.filled());
    let strategy_version = fields.required("strategy_version").and_then(|at| at.filled());
    Some(HarnessProfile {
        tool_family: tool_family?.to_owned(),
        strategy_version: strategy_version?.to_owned(),
    })
}

/// A name, or a name and what the adapter makes of the rest, as in `acp:claude`.
fn adapter(at: &At<'_>) -> Option<String> {
    let adapter = at.text()?;
    if !adapter.split(':').all(|part| LaneId::new(part).is_ok()) {
        at.error(FindingCode::InvalidName, format!("{adapter:?} cannot be the name of an adapter"));
    }
    Some(adapter.to_owned())
}

/// Only a plain process cannot be started without one: other adapters may know by themselves what to start.
fn command(fields: &Fields<'_>, adapter: &str) -> Vec<String> {
    let Some(at) = fields.get("command") else {
        if adapter == "process" {
            fields.missing("command", "the process adapter needs a command".to_owned());
        }
        return Vec::new();
    };
    let Some(items) = at.items() else { return Vec::new() };
    if items.len() == 0 && adapter == "process" {
        at.error(FindingCode::EmptyValue, "a command names at least a program");
    }
    let word = |(index, at): (usize, At<'_>)| {
        let word = if index == 0 { at.filled()? } else { at.text()? };
        if word.contains('\0') {
            at.error(FindingCode::UnknownValue, "an argument cannot contain NUL");
        }
        Some(word.to_owned())
    };
    items.enumerate().filter_map(word).collect()
}

/// The name of a filter, as it stands behind `filter=` in a file of attributes.
fn filter(at: &At<'_>) -> Option<String> {
    let name = at.filled()?;
    if name.contains(|it: char| it.is_whitespace() || it.is_control()) {
        at.error(FindingCode::UnknownValue, format!("{name:?} cannot be the name of a filter"));
    }
    Some(name.to_owned())
}

/// What an agent offers is known when it is started, so any text may be chosen here. A plain process offers nothing.
fn agent(fields: &Fields<'_>, adapter: &str) -> Choices {
    if adapter == "process" {
        fields.misplaced(&["agent"], "a lane of plain processes");
    }
    let Some(at) = fields.get("agent") else { return Choices::default() };
    let Some(fields) = at.fields() else { return Choices::default() };
    let text = |key| fields.get(key).and_then(|at| at.filled()).map(str::to_owned);
    let choices = Choices { mode: text("mode"), model: text("model"), options: options(&fields) };
    fields.finish();
    choices
}

fn options(fields: &Fields<'_>) -> BTreeMap<String, String> {
    let Some(at) = fields.get("options") else { return BTreeMap::new() };
    let option = |(id, at): (&str, At<'_>)| {
        if id.trim().is_empty() {
            at.error(FindingCode::EmptyValue, "an option has a name");
        }
        Some((id.to_owned(), at.filled()?.to_owned()))
    };
    at.members().into_iter().flatten().filter_map(option).collect()
}

fn constraints(fields: &Fields<'_>, context: &Context<'_>) -> BTreeMap<Constraint, String> {
    let mut constraints = BTreeMap::new();
    let Some(at) = fields.get("constraints") else { return constraints };
    for (name, at) in at.members().into_iter().flatten().filter(|(name, _)| !name.starts_with("x_")) {
        match one_of::<Constraint>(name) {
            Ok(constraint) => {
                constraints.extend(at.filled().map(|value| (constraint, value.to_owned())));
            }
            Err(known) => context.report.unknown_key(|| {
                Detail::new(at.pointer(), format!("there is no constraint {name:?}"))
                    .suggest(text::nearest(name, known.iter().copied()))
            }),
        }
    }
    constraints
}

/// A demand that nobody knows cannot be met, so it is an error, where an unknown constraint is only an unknown key.
fn required_enforcement(fields: &Fields<'_>) -> BTreeMap<Constraint, Level> {
    let mut required = BTreeMap::new();
    let Some(at) = fields.get("required_enforcement") else { return required };
    for (name, at) in at.members().into_iter().flatten().filter(|(name, _)| !name.starts_with("x_")) {
        match one_of::<Constraint>(name) {
            Ok(constraint) => required.extend(at.choice().map(|level| (constraint, level))),
            Err(known) => {
                let correct = text::nearest(name, known.iter().copied()).map(str::to_owned);
                let message = format!("nothing enforces {name:?}");
                at.suggest(FindingCode::EnforcementUnavailable, message, correct);
            }
        }
    }
    required
}

fn env(fields: &Fields<'_>) -> BTreeMap<String, Option<String>> {
    let mut env = BTreeMap::new();
    let Some(at) = fields.get("env") else { return env };
    for (name, at) in at.members().into_iter().flatten() {
        if !text::is_variable_name(name) {
            at.error(FindingCode::InvalidVariable, format!("{name:?} cannot be the name of a variable"));
        } else if text::is_reserved_variable(name) {
            at.error(FindingCode::ReservedVariable, format!("a lane may not set {name}"));
        }
        let value = if at.is_null() { None } else { at.text() };
        if value.is_some_and(|value| value.contains('\0')) {
            at.error(FindingCode::InvalidVariable, "the value of a variable cannot contain NUL");
        }
        env.insert(name.to_owned(), value.map(str::to_owned));
    }
    env
}
