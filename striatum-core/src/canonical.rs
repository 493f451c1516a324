//! Canonical JSON (RFC 8785).

use std::ops::Range;

use serde::Serialize;

/// Writes a value as canonical JSON.
///
/// What `serde_json` writes is canonical but for the order of members, as long as it has no fraction, no large number and no
/// key that is not plain: then its members are put in order, which is much faster than `serde_jcs`. Anything else is left to
/// that.
pub(crate) fn to_vec(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::with_capacity(1024);
    serde_json::to_writer(&mut text, value)?;
    let ordered = Vec::with_capacity(text.len());
    let mut order = Order { text: &text, at: 0, ordered, members: Vec::new(), aside: Vec::new() };
    match order.value() {
        Some(()) => Ok(order.ordered),
        None => serde_jcs::to_vec(value),
    }
}

/// Copies JSON without white space, the members of each object in order.
struct Order<'a> {
    text: &'a [u8],
    at: usize,
    ordered: Vec<u8>,
    /// The members of the objects that were begun, those of the innermost last.
    members: Vec<Member>,
    aside: Vec<u8>,
}

struct Member {
    /// The key, in the text.
    key: Range<usize>,
    /// The key and the value, in what was copied.
    whole: Range<usize>,
}

/// Nothing for what is not plain.
type Plain = Option<()>;

impl Order<'_> {
    fn value(&mut self) -> Plain {
        match self.text[self.at] {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => {
                self.string();
                Some(())
            }
            b'-' | b'0'..=b'9' => self.number(),
            _ => {
                let end = self.text[self.at..].iter().position(|byte| !byte.is_ascii_lowercase());
                self.copy(end.map_or(self.text.len(), |end| self.at + end));
                Some(())
            }
        }
    }

    fn object(&mut self) -> Plain {
        let outer = self.members.len();
        self.copy(self.at + 1);
        let start = self.ordered.len();
        while self.text[self.at] != b'}' {
            if self.text[self.at] == b',' {
                self.at += 1;
            }
            let begun = self.ordered.len();
            let key = self.string();
            // Among plain keys the order of bytes is that of UTF-16 code units.
            if !self.text[key.clone()].iter().all(|byte| byte.is_ascii() && *byte != b'\\') {
                return None;
            }
            self.copy(self.at + 1);
            self.value()?;
            self.members.push(Member { key, whole: begun..self.ordered.len() });
            self.ordered.push(b',');
        }
        if self.members.len() > outer {
            self.arrange(outer, start);
            self.members.truncate(outer);
            self.ordered.pop();
        }
        self.copy(self.at + 1);
        Some(())
    }

    /// Puts the members from this one on in order; they were copied from `start` on.
    fn arrange(&mut self, outer: usize, start: usize) {
        let text = self.text;
        let members = &mut self.members[outer..];
        let key = |member: &Member| &text[member.key.clone()];
        if members.is_sorted_by(|a, b| key(a) <= key(b)) {
            return;
        }
        members.sort_unstable_by(|a, b| key(a).cmp(key(b)));
        self.aside.clear();
        self.aside.extend_from_slice(&self.ordered[start..]);
        self.ordered.truncate(start);
        for Member { whole, .. } in members {
            self.ordered.extend_from_slice(&self.aside[whole.start - start..whole.end - start]);
            self.ordered.push(b',');
        }
    }

    fn array(&mut self) -> Plain {
        self.copy(self.at + 1);
        while self.text[self.at] != b']' {
            if self.text[self.at] == b',' {
                self.copy(self.at + 1);
            }
            self.value()?;
        }
        self.copy(self.at + 1);
        Some(())
    }

    /// Copies a string; returns where it stands in the text, without its quotation marks.
    fn string(&mut self) -> Range<usize> {
        let start = self.at + 1;
        let mut end = start;
        while self.text[end] != b'"' {
            // What is escaped is no end, whatever it is.
            end += if self.text[end] == b'\\' { 2 } else { 1 };
        }
        self.copy(end + 1);
        start..end
    }

    /// Copies a number that every reader takes for the same: a whole one that a double holds.
    fn number(&mut self) -> Plain {
        const DIGITS: usize = 15;
        let rest = &self.text[self.at..];
        let sign = usize::from(rest[0] == b'-');
        let digits = rest[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let behind = rest.get(sign + digits);
        if digits > DIGITS || behind.is_some_and(|byte| matches!(byte, b'.' | b'e' | b'E')) {
            return None;
        }
        self.copy(self.at + sign + digits);
        Some(())
    }

    fn copy(&mut self, end: usize) {
        self.ordered.extend_from_slice(&self.text[self.at..end]);
        self.at = end;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    fn same(value: &Value) {
        let (ours, theirs) = (to_vec(value).unwrap(), serde_jcs::to_vec(value).unwrap());
        assert_eq!(String::from_utf8(ours).unwrap(), String::from_utf8(theirs).unwrap());
    }

    #[test]
    fn members_come_in_order_at_every_depth() {
        let value =
            json!({"b": [{"z": 1, "a": {}}, []], "aa": null, "a": {"y": "\"},{", "x": true}, "": "{\\"});
        let canonical = r#"{"":"{\\","a":{"x":true,"y":"\"},{"},"aa":null,"b":[{"a":{},"z":1},[]]}"#;
        assert_eq!(to_vec(&value).unwrap(), canonical.as_bytes());
        same(&value);
    }

    #[test]
    fn what_is_not_plain_is_canonical_too() {
        for value in [
            json!(1.5),
            json!([1e30, -0.0, 9_007_199_254_740_993_u64, i64::MIN, u64::MAX]),
            json!({"b": 1, "ä": 2, "\u{10000}": 3, "\u{fb33}": 4, "a\nb": 5, "\"": 6}),
        ] {
            same(&value);
        }
    }

    /// Draws numbers; the same ones every time.
    struct Lot(u64);

    impl Lot {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % end
        }

        fn text(&mut self) -> String {
            const LETTERS: &[char] = &[
                'a', 'b', 'z', 'Z', '_', '0', '"', '\\', '/', '{', '}', ',', ':', '\n', '\u{7f}', '\u{1}',
                'é', '\u{fb33}', '😀',
            ];
            // Mostly plain, so that not every value is left to the other writer.
            let letters = if self.below(8) == 0 { LETTERS } else { &LETTERS[..6] };
            (0..self.below(6)).map(|_| letters[self.below(letters.len() as u64) as usize]).collect()
        }

        fn value(&mut self, depth: u64) -> Value {
            match self.below(if depth == 0 { 5 } else { 9 }) {
                0 => Value::Null,
                1 => (self.below(2) == 0).into(),
                2 => (self.below(1 << 20) as i64 - (1 << 19)).into(),
                3 if self.below(20) == 0 => (self.0 as f64 / 7.0).into(),
                3 => (self.0 >> (11 + self.below(40))).into(),
                4 => self.text().into(),
                5 | 6 => (0..self.below(5)).map(|_| self.value(depth - 1)).collect(),
                _ => {
                    let members = (0..self.below(6)).map(|_| (self.text(), self.value(depth - 1)));
                    Value::Object(members.collect::<Map<_, _>>())
                }
            }
        }
    }

    #[test]
    fn random_values_come_out_as_the_reference_writes_them() {
        let mut lot = Lot(1);
        for _ in 0..20_000 {
            same(&lot.value(5));
        }
    }
}
