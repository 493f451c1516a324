//! Findings in the forms in which agents write them.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// One text for each finding, whether there was a text, a list of texts, or maps with a severity, a title and a detail.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings(Vec<String>);

impl Findings {
    pub(super) fn into_texts(self) -> Vec<String> {
        self.0
    }

    fn one(text: &str) -> Self {
        let text = text.trim();
        Self(if text.is_empty() { Vec::new() } else { vec![text.to_owned()] })
    }
}

impl<'de> Deserialize<'de> for Findings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FindingsVisitor)
    }
}

struct FindingsVisitor;

impl<'de> Visitor<'de> for FindingsVisitor {
    type Value = Findings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("findings: a text, a map with a title, or a list of these")
    }

    fn visit_str<E>(self, text: &str) -> Result<Findings, E> {
        Ok(Findings::one(text))
    }

    // What looks like a number or a truth is a text that was not quoted.
    fn visit_bool<E>(self, value: bool) -> Result<Findings, E> {
        Ok(Findings::one(&value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Findings, E> {
        Ok(Findings::one(&value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Findings, E> {
        Ok(Findings::one(&value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Findings, E> {
        Ok(Findings::one(&value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Findings, E> {
        Ok(Findings::default())
    }

    fn visit_none<E>(self) -> Result<Findings, E> {
        Ok(Findings::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Findings, D::Error> {
        Findings::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Findings, A::Error> {
        let mut texts = Vec::new();
        while let Some(Findings(more)) = list.next_element()? {
            texts.extend(more);
        }
        Ok(Findings(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Findings, A::Error> {
        let (mut severity, mut said, mut further) = (String::new(), Vec::new(), String::new());
        while let Some((key, Findings(texts))) = map.next_entry::<String, Findings>()? {
            let text = texts.join("; ");
            match key.as_str() {
                _ if text.is_empty() => {}
                "severity" => severity = format!("[{text}] "),
                // The title first, in whatever order they stand.
                "title" => said.insert(0, text),
                "detail" => said.push(text),
                _ => further.push_str(&format!(" ({key}: {text})")),
            }
        }
        Ok(Findings::one(&format!("{severity}{}{further}", said.join(": "))))
    }
}
