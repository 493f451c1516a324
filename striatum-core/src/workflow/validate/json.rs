//! JSON as an ordered tree that knows where everything stood, made in one pass and within fixed limits.
//!
//! `serde_json::Value` keeps the last of two equal keys and forgets that there were two; here each is reported.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::HashSet,
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::report::{Pointer, Report};
use crate::workflow::FindingCode;

pub(super) const MAX_BYTES: usize = 4 << 20;
pub(super) const MAX_DEPTH: usize = 64;
pub(super) const MAX_VALUES: u32 = 500_000;
pub(super) const MAX_KEYS: usize = 10_000;
/// A key stands in the pointer of everything below it, so a long one would be repeated in each finding.
pub(super) const MAX_KEY: usize = 1024;

/// Below this many keys comparing each with each is cheaper than hashing.
const FEW_KEYS: usize = 16;

/// A value, and its number in document order.
#[derive(Debug)]
pub(super) struct Node<'d> {
    pub(super) position: u32,
    pub(super) value: Value<'d>,
}

#[derive(Debug)]
pub(super) enum Value<'d> {
    Null,
    Bool(bool),
    Unsigned(u64),
    OtherNumber,
    Text(Cow<'d, str>),
    List(Vec<Node<'d>>),
    Object(Vec<(Cow<'d, str>, Node<'d>)>),
}

impl<'d> Node<'d> {
    /// What kind of value this is, in the words of a message.
    pub(super) const fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Unsigned(_) | Value::OtherNumber => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node<'d>> {
        match &self.value {
            Value::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The position of what a pointer names, or of the innermost thing around it that exists.
    pub(super) fn position_of(&self, pointer: &str) -> u32 {
        let mut node = self;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let child = match &node.value {
                Value::List(items) => token.parse().ok().and_then(|index: usize| items.get(index)),
                _ => node.get(&token),
            };
            match child {
                Some(child) => node = child,
                None => break,
            }
        }
        node.position
    }
}

/// Reads a document. `None` if it cannot be read to its end, which is then reported.
pub(super) fn parse<'d>(json: &'d [u8], report: &Report) -> Option<Node<'d>> {
    if json.len() > MAX_BYTES {
        let message = format!("the document has {} bytes, and {MAX_BYTES} are allowed", json.len());
        report.error(FindingCode::DocumentTooLarge, String::new(), message);
        return None;
    }
    let state = State { report, count: Cell::new(0), path: RefCell::default(), refusal: Cell::new(None) };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let node = Seed(&state).deserialize(&mut deserializer).and_then(|node| deserializer.end().map(|()| node));
    node.map_err(|error| state.refuse(&error)).ok()
}

/// A step into a value.
enum Step<'d> {
    Key(Cow<'d, str>),
    Index(usize),
}

struct State<'s, 'd> {
    report: &'s Report,
    count: Cell<u32>,
    path: RefCell<Vec<Step<'d>>>,
    refusal: Cell<Option<(FindingCode, String)>>,
}

impl<'d> State<'_, 'd> {
    fn begin<E: serde::de::Error>(&self) -> Result<u32, E> {
        let position = self.count.get();
        self.count.set(position + 1);
        if position >= MAX_VALUES {
            return Err(self.stop(FindingCode::DocumentTooLarge, format!("more than {MAX_VALUES} values")));
        }
        if self.path.borrow().len() > MAX_DEPTH {
            return Err(self.stop(FindingCode::NestedTooDeep, format!("more than {MAX_DEPTH} levels")));
        }
        Ok(position)
    }

    /// Makes the deserialiser stop: what it is told is not what the author will read.
    fn stop<E: serde::de::Error>(&self, code: FindingCode, message: String) -> E {
        self.refusal.set(Some((code, message)));
        E::custom("limit")
    }

    fn pointer(&self) -> Pointer {
        self.path.borrow().iter().fold(Pointer::default(), |pointer, step| match step {
            Step::Key(key) => pointer.key(key),
            Step::Index(index) => pointer.index(*index),
        })
    }

    fn refuse(&self, error: &serde_json::Error) {
        let (code, message) =
            self.refusal.take().unwrap_or_else(|| (FindingCode::InvalidJson, error.to_string()));
        self.report.error(code, self.pointer().into_text(), message);
    }

    fn duplicate(&self, key: &str) {
        let pointer = self.pointer().key(key).into_text();
        self.report.error(FindingCode::DuplicateKey, pointer, format!("the key {key:?} is here twice"));
    }
}

struct Seed<'s, 'd>(&'s State<'s, 'd>);

impl<'d> DeserializeSeed<'d> for Seed<'_, 'd> {
    type Value = Node<'d>;

    fn deserialize<D: Deserializer<'d>>(self, deserializer: D) -> Result<Node<'d>, D::Error> {
        let position = self.0.begin()?;
        let value = deserializer.deserialize_any(ValueVisitor(self.0))?;
        Ok(Node { position, value })
    }
}

struct ValueVisitor<'s, 'd>(&'s State<'s, 'd>);

impl<'d> Visitor<'d> for ValueVisitor<'_, 'd> {
    type Value = Value<'d>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value<'d>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'d>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'d>, E> {
        Ok(Value::Unsigned(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value<'d>, E> {
        Ok(Value::OtherNumber)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'d>, E> {
        Ok(Value::OtherNumber)
    }

    fn visit_borrowed_str<E>(self, text: &'d str) -> Result<Value<'d>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'d>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut list: A) -> Result<Value<'d>, A::Error> {
        let mut items = Vec::new();
        loop {
            self.0.path.borrow_mut().push(Step::Index(items.len()));
            let Some(item) = list.next_element_seed(Seed(self.0))? else { break };
            self.0.path.borrow_mut().pop();
            items.push(item);
        }
        self.0.path.borrow_mut().pop();
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'d>>(self, mut object: A) -> Result<Value<'d>, A::Error> {
        let mut members: Vec<(Cow<'d, str>, Node<'d>)> = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = object.next_key_seed(KeySeed)? {
            if members.len() >= MAX_KEYS {
                let message = format!("more than {MAX_KEYS} keys in one object");
                return Err(self.0.stop(FindingCode::DocumentTooLarge, message));
            }
            if key.len() > MAX_KEY {
                let message = format!("a key of more than {MAX_KEY} bytes");
                return Err(self.0.stop(FindingCode::DocumentTooLarge, message));
            }
            if members.len() == FEW_KEYS {
                seen.extend(members.iter().map(|(key, _)| key.clone()));
            }
            let is_new = match members.len() {
                ..FEW_KEYS => members.iter().all(|(known, _)| *known != key),
                _ => seen.insert(key.clone()),
            };
            if !is_new {
                self.0.duplicate(&key);
            }
            self.0.path.borrow_mut().push(Step::Key(key.clone()));
            let node = object.next_value_seed(Seed(self.0))?;
            self.0.path.borrow_mut().pop();
            if is_new {
                members.push((key, node));
            }
        }
        Ok(Value::Object(members))
    }
}

struct KeySeed;

impl<'d> DeserializeSeed<'d> for KeySeed {
    type Value = Cow<'d, str>;

    fn deserialize<D: Deserializer<'d>>(self, deserializer: D) -> Result<Cow<'d, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'d> Visitor<'d> for KeySeed {
    type Value = Cow<'d, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'d str) -> Result<Cow<'d, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'d, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
