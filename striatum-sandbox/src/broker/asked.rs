//! The body of a request, read so that nobody can read it otherwise.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{
    gate::shortened,
    provider::{Provider, matches_any},
    refusal::Refusal,
};

/// A request's fields.
#[derive(Debug)]
pub(super) struct Asked(pub(super) Map<String, Value>);

impl Asked {
    /// Reads one. What stands in it twice might be read differently by who answers.
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Once(Value::Object(fields))) => Ok(Self(fields)),
            _ => Err(Refusal::Malformed("its body is not one JSON object in which each field stands once")),
        }
    }

    /// Refuses what has the provider reach other hosts.
    pub(super) fn stays(&self, provider: Provider) -> Result<(), Refusal> {
        if let Some(field) = provider.reaching().iter().find(|field| self.0.contains_key(**field)) {
            return Err(Refusal::Reach((*field).to_owned()));
        }
        if self.0.get("tools").is_some_and(|tools| !tools.is_array() && !tools.is_null()) {
            return Err(Refusal::Malformed("its tools are no list"));
        }
        self.0.iter().try_for_each(|(name, value)| tools_stay(provider, name, value))
    }
}

/// Tools may come with a request, in a group, or in the middle of a conversation.
fn tools_stay(provider: Provider, name: &str, value: &Value) -> Result<(), Refusal> {
    match value {
        Value::Array(items) => {
            if name == "tools" {
                items.iter().try_for_each(|tool| tool_stays(provider, tool))?;
            }
            items.iter().try_for_each(|item| tools_stay(provider, "", item))
        }
        Value::Object(fields) => {
            fields.iter().try_for_each(|(name, value)| tools_stay(provider, name, value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn tool_stays(provider: Provider, tool: &Value) -> Result<(), Refusal> {
    let Value::Object(tool) = tool else { return Err(Refusal::Malformed("a tool is no object")) };
    let kinds: Vec<&str> = match provider {
        Provider::Gemini => tool.keys().map(String::as_str).collect(),
        Provider::Anthropic | Provider::OpenAi => match tool.get("type") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(kind)) => vec![kind],
            Some(_) => return Err(Refusal::Malformed("the type of a tool is no name")),
        },
    };
    match kinds.into_iter().find(|kind| !matches_any(provider.tools(), kind)) {
        Some(kind) => Err(Refusal::Reach(format!("the tool {:?}", shortened(kind)))),
        None => Ok(()),
    }
}

/// A value in which no object has a field twice.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Once)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut fields: M) -> Result<Value, M::Error> {
        let mut read = Map::new();
        while let Some((name, Once(value))) = fields.next_entry::<String, Once>()? {
            if read.insert(name, value).is_some() {
                return Err(M::Error::custom("a field stands there twice"));
            }
        }
        Ok(Value::Object(read))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Value, S::Error> {
        let mut read = Vec::new();
        while let Some(Once(item)) = items.next_element()? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}
