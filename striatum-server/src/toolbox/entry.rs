//! One tool: how it is described, and how its arguments are read.

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Refusal, refusal::Code};

/// A tool whose calls mean a `C`.
pub(crate) struct Entry<C: 'static> {
    /// Its names; the first is its own.
    pub(crate) names: &'static [&'static str],
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) effect: Effect,
    pub(crate) schema: fn(Tool) -> Tool,
    pub(crate) read: fn(JsonObject) -> Result<C, Refusal>,
}

/// What a call does to the world.
#[derive(Clone, Copy)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// It adds something; again, the same.
    Adds,
    /// It ends something.
    Ends,
}

/// A tool with these names, this title, effect and type of arguments, which mean what the function says.
macro_rules! entry {
    ($names:expr, $title:literal, $effect:ident, $arguments:ty, $read:expr, $description:literal) => {
        $crate::toolbox::Entry {
            names: &$names,
            title: $title,
            description: $description,
            effect: $crate::toolbox::Effect::$effect,
            schema: rmcp::model::Tool::with_input_schema::<$arguments>,
            read: |arguments| $crate::toolbox::parse::<$arguments>(arguments).and_then($read),
        }
    };
}
pub(crate) use entry;

/// Every tool under every one of its names.
pub(super) fn tools<C>(catalogue: &'static [Entry<C>]) -> Vec<Tool> {
    let under = |entry: &'static Entry<C>| entry.names.iter().map(move |name| entry.tool(name));
    catalogue.iter().flat_map(under).collect()
}

/// What a call means; `None` if there is no such tool.
pub(super) fn read<C>(
    catalogue: &'static [Entry<C>],
    name: &str,
    arguments: JsonObject,
) -> Option<Result<C, Refusal>> {
    let entry = catalogue.iter().find(|entry| entry.names.contains(&name))?;
    Some((entry.read)(arguments))
}

impl<C> Entry<C> {
    fn tool(&self, name: &'static str) -> Tool {
        let description = match self.names {
            [own, ..] if *own != name => format!("The same as {own}."),
            _ => self.description.to_owned(),
        };
        let annotations = ToolAnnotations::from_raw(
            Some(self.title.to_owned()),
            Some(matches!(self.effect, Effect::None)),
            // What is ended is kept. Agents bring what destroys before a judge of their own, or a person.
            Some(false),
            Some(!matches!(self.effect, Effect::Ends)),
            Some(false),
        );
        (self.schema)(Tool::new(name, description, JsonObject::new())).with_annotations(annotations)
    }
}

pub(crate) fn parse<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, Refusal> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| invalid(error.to_string()))
}

/// Arguments that are refused.
pub(crate) fn invalid(sentence: impl Into<String>) -> Refusal {
    Code::ArgumentsInvalid.because(sentence.into())
}
