//! Canonical JSON (RFC 8785).

use serde::Serialize;

use crate::json;

/// Writes a value as canonical JSON.
///
/// What is plain, as nearly everything is, is written in one pass, which is much faster than `serde_jcs`. Anything else is left
/// to that.
pub(crate) fn to_vec(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::with_capacity(1000);
    json::write_in_order(value, &mut text).map(|()| text).or_else(|_| serde_jcs::to_vec(value))
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
