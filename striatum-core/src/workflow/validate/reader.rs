//! Cursors over a JSON tree that know where they are and report what does not fit.

use std::{borrow::Cow, cell::RefCell, fmt::Display, ops::RangeInclusive};

use serde::{Deserialize, de::value::StrDeserializer};

use super::{
    json::{Node, Value},
    report::{Detail, Pointer, Report},
    text::{self, nearest},
};
use crate::{
    id::IdError,
    workflow::{FindingCode, SchemaVersion, Severity},
};

/// A value, where it stands, and where to report what is wrong with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'n> {
    node: &'n Node<'n>,
    place: Place<'n>,
    report: &'n Report,
}

#[derive(Debug, Clone, Copy)]
enum Place<'n> {
    Root,
    Key(&'n Place<'n>, &'n str),
    Index(&'n Place<'n>, usize),
}

impl Place<'_> {
    fn pointer(&self) -> Pointer {
        match self {
            Self::Root => Pointer::default(),
            Self::Key(up, key) => up.pointer().key(key),
            Self::Index(up, index) => up.pointer().index(*index),
        }
    }
}

impl<'n> At<'n> {
    pub(super) const fn root(node: &'n Node<'n>, report: &'n Report) -> Self {
        Self { node, place: Place::Root, report }
    }

    pub(super) fn pointer(&self) -> String {
        self.place.pointer().into_text()
    }

    pub(super) fn add(&self, severity: Severity, code: FindingCode, detail: impl FnOnce() -> Detail) {
        self.report.add(severity, code, detail);
    }

    pub(super) fn error(&self, code: FindingCode, message: impl Into<String>) {
        self.report.error(code, self.pointer(), message);
    }

    pub(super) fn suggest(&self, code: FindingCode, message: impl Into<String>, correct: Option<String>) {
        let detail = || Detail::new(self.pointer(), message).suggest(correct);
        self.add(Severity::Error, code, detail);
    }

    pub(super) const fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    /// Whether the value says nothing that its absence would not say.
    pub(super) fn is_neutral(&self) -> bool {
        match &self.node.value {
            Value::Null | Value::Bool(false) | Value::Unsigned(0) => true,
            Value::List(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Bool(true) | Value::Unsigned(_) | Value::OtherNumber | Value::Text(_) => false,
        }
    }

    fn wrong_type(&self, expected: &str) {
        self.error(FindingCode::WrongType, format!("this must be {expected}, and is {}", self.node.kind()));
    }

    pub(super) const fn is_text(&self) -> bool {
        matches!(self.node.value, Value::Text(_))
    }

    pub(super) fn text(&self) -> Option<&'n str> {
        if let Value::Text(text) = &self.node.value {
            return Some(text);
        }
        self.wrong_type("a text");
        None
    }

    /// A text with something other than white space in it.
    pub(super) fn filled(&self) -> Option<&'n str> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.error(FindingCode::EmptyValue, "this may not be empty");
            return None;
        }
        Some(text)
    }

    pub(super) fn flag(&self) -> Option<bool> {
        if let Value::Bool(flag) = self.node.value {
            return Some(flag);
        }
        self.wrong_type("true or false");
        None
    }

    pub(super) fn number<N>(&self, bounds: RangeInclusive<N>) -> Option<N>
    where
        N: TryFrom<u64> + PartialOrd + Display,
    {
        let number = match self.node.value {
            Value::Unsigned(number) => N::try_from(number).ok(),
            Value::OtherNumber => None,
            _ => {
                self.wrong_type("a whole number");
                return None;
            }
        };
        let number = number.filter(|number| bounds.contains(number));
        if number.is_none() {
            let (low, high) = bounds.into_inner();
            self.error(FindingCode::OutOfRange, format!("this must be a whole number from {low} to {high}"));
        }
        number
    }

    /// One of the values of an enumeration, which says itself what they are.
    pub(super) fn choice<T: for<'de> Deserialize<'de>>(&self) -> Option<T> {
        let text = self.text()?;
        let refused = match one_of(text) {
            Ok(value) => return Some(value),
            Err(variants) => variants,
        };
        let message = format!("{text:?} is none of {}", refused.join(", "));
        let correct = nearest(text, refused.iter().copied()).map(str::to_owned);
        self.suggest(FindingCode::UnknownValue, message, correct);
        None
    }

    pub(super) fn name<T: TryFrom<String, Error = IdError>>(&self) -> Option<T> {
        self.own_name(self.text()?)
    }

    /// A name that this value has: its text, or the key under which it stands.
    pub(super) fn own_name<T: TryFrom<String, Error = IdError>>(&self, name: &str) -> Option<T> {
        let found = T::try_from(name.to_owned());
        if found.is_err() {
            let message = format!("{name:?} cannot be a name");
            self.suggest(FindingCode::InvalidName, message, text::cleaned_name(name));
        }
        found.ok()
    }

    pub(super) fn path(&self, kind: text::PathKind) -> Option<String> {
        let path = self.text()?;
        if let Err(why) = text::path_problem(path, kind) {
            let message = format!("the path {path:?} {why}");
            self.suggest(FindingCode::InvalidPath, message, text::cleaned_path(path, kind));
            return None;
        }
        Some(path.to_owned())
    }

    pub(super) fn items(&self) -> Option<impl ExactSizeIterator<Item = At<'_>>> {
        let Value::List(items) = &self.node.value else {
            self.wrong_type("a list");
            return None;
        };
        let item = |(index, node)| At { node, place: Place::Index(&self.place, index), report: self.report };
        Some(items.iter().enumerate().map(item))
    }

    /// Every member of an object whose keys are names of the author's choice.
    pub(super) fn members(&self) -> Option<impl Iterator<Item = (&'n str, At<'_>)>> {
        let Value::Object(members) = &self.node.value else {
            self.wrong_type("an object");
            return None;
        };
        let member = |(key, node): &'n (Cow<'n, str>, Node<'n>)| {
            (&**key, At { node, place: Place::Key(&self.place, key), report: self.report })
        };
        Some(members.iter().filter(|(key, _)| !is_comment(key)).map(member))
    }

    pub(super) fn fields(&self) -> Option<Fields<'n>> {
        let Value::Object(members) = &self.node.value else {
            self.wrong_type("an object");
            return None;
        };
        Some(Fields { at: *self, members, known: RefCell::default() })
    }
}

/// The members of an object whose keys the format defines. Whoever reads one asks for it by name; what nobody asked for is
/// reported at the end.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    at: At<'n>,
    members: &'n [(Cow<'n, str>, Node<'n>)],
    known: RefCell<Vec<&'static str>>,
}

impl Fields<'_> {
    pub(super) fn pointer(&self, key: &str) -> String {
        self.at.place.pointer().key(key).into_text()
    }

    /// The value of a key; `null` is as good as none.
    pub(super) fn get(&self, key: &'static str) -> Option<At<'_>> {
        self.known.borrow_mut().push(key);
        let (_, node) = self.members.iter().find(|(name, _)| name == key)?;
        let at = At { node, place: Place::Key(&self.at.place, key), report: self.at.report };
        (!at.is_null()).then_some(at)
    }

    pub(super) fn required(&self, key: &'static str) -> Option<At<'_>> {
        let value = self.get(key);
        if value.is_none() {
            self.missing(key, format!("{key} is missing"));
        }
        value
    }

    pub(super) fn missing(&self, key: &str, message: String) {
        self.at.report.error(FindingCode::MissingKey, self.pointer(key), message);
    }

    pub(super) fn repeated(&self, pointer: &str, what: &str) {
        let message = format!("{what:?} stands in this list already");
        self.at.report.error(FindingCode::DuplicateEntry, pointer.to_owned(), message);
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        self.get(key)?.text().map(str::to_owned)
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        self.get(key)?.flag()
    }

    pub(super) fn number<N>(&self, key: &'static str, bounds: RangeInclusive<N>) -> Option<N>
    where
        N: TryFrom<u64> + PartialOrd + Display,
    {
        self.get(key)?.number(bounds)
    }

    pub(super) fn choice<T: for<'de> Deserialize<'de>>(&self, key: &'static str) -> Option<T> {
        self.get(key)?.choice()
    }

    /// What can be read of a list; no list is an empty one.
    pub(super) fn list<T>(&self, key: &'static str, read: impl FnMut(At<'_>) -> Option<T>) -> Vec<T> {
        let Some(at) = self.get(key) else { return Vec::new() };
        let items = at.items().map(|items| items.filter_map(read).collect());
        items.unwrap_or_default()
    }

    /// Keys that the format has and that change nothing here.
    pub(super) fn ignore(&self, keys: &[&'static str]) {
        self.known.borrow_mut().extend(keys);
    }

    /// Keys that only later versions of the format have. A value that asks for nothing is fine.
    pub(super) fn since(&self, version: SchemaVersion, keys: &[&'static str], written: SchemaVersion) {
        for key in keys.iter().filter(|_| written < version) {
            if let Some(at) = self.get(key).filter(|at| !at.is_neutral()) {
                let message = format!("{key} is not part of {}", written.as_str());
                at.suggest(FindingCode::NewerVersionNeeded, message, Some(version.as_str().to_owned()));
            }
        }
    }

    /// Keys that have no effect here, because of what `here` is.
    pub(super) fn misplaced(&self, keys: &[&'static str], here: &str) {
        for key in keys {
            if self.get(key).is_some_and(|at| !at.is_neutral()) {
                let message = format!("{key} has no effect on {here}");
                self.at.report.warning(FindingCode::MisplacedKey, self.pointer(key), message);
            }
        }
    }

    /// Reports the keys that nothing asked for.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        let is_own = |key: &str| is_comment(key) || key.starts_with("x_");
        for (key, _) in self.members.iter().filter(|(key, _)| !is_own(key) && !known.contains(&&**key)) {
            self.at.report.unknown_key(|| {
                Detail::new(
                    self.at.place.pointer().key(key).into_text(),
                    format!("there is no key {key:?} here"),
                )
                .suggest(nearest(key, known.iter().copied()))
            });
        }
    }
}

/// Whether a key is a remark, even where keys are names.
pub(super) fn is_comment(key: &str) -> bool {
    key.starts_with("_comment")
}

/// The variant of a name, or the names of all variants.
pub(super) fn one_of<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, &'static [&'static str]> {
    T::deserialize(StrDeserializer::<NotOneOf>::new(text)).map_err(|refused| refused.0)
}

/// Keeps the list that a derived `Deserialize` puts into its refusal.
#[derive(Debug)]
struct NotOneOf(&'static [&'static str]);

impl serde::de::Error for NotOneOf {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
}

impl std::fmt::Display for NotOneOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "none of {}", self.0.join(", "))
    }
}

impl std::error::Error for NotOneOf {}
