//! Lower-case hexadecimal, for identities and digests.

use std::{fmt, str::FromStr};

use serde::{
    Deserializer, Serializer,
    de::{Error, Visitor},
};

/// The most bytes that are written at once: those of a digest.
pub(crate) const MOST: usize = 32;

pub(crate) fn encode(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(text(digits(bytes, &mut [0; 2 * MOST])))
}

/// Serialises bytes as their digits, or as they are where nobody reads it.
pub(crate) fn serialize<const N: usize, S: Serializer>(bytes: &[u8; N], to: S) -> Result<S::Ok, S::Error> {
    if to.is_human_readable() {
        to.serialize_str(text(digits(bytes, &mut [0; 2 * MOST])))
    } else {
        to.serialize_bytes(bytes)
    }
}

/// Reads what [`serialize`] writes, and makes a value of it.
pub(crate) fn deserialize<'de, T, const N: usize, D>(from: D, of: fn([u8; N]) -> T) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    if from.is_human_readable() { crate::text::deserialize(from) } else { bytes(from).map(of) }
}

fn bytes<'de, const N: usize, D: Deserializer<'de>>(from: D) -> Result<[u8; N], D::Error> {
    struct Bytes<const N: usize>;

    impl<const N: usize> Visitor<'_> for Bytes<N> {
        type Value = [u8; N];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{N} bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
            bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
        }
    }

    from.deserialize_bytes(Bytes)
}

fn text(digits: &[u8]) -> &str {
    // Hexadecimal digits are always a text.
    str::from_utf8(digits).unwrap_or_default()
}

/// The digits of bytes, written to where there is room for them.
#[inline(always)]
pub(crate) fn digits<'a>(bytes: &[u8], digits: &'a mut [u8]) -> &'a [u8] {
    for (digits, byte) in digits.as_chunks_mut().0.iter_mut().zip(bytes) {
        *digits = two_digits(*byte);
    }
    &digits[..2 * bytes.len()]
}

/// The digits of a byte, without a branch or a table, so that those of many bytes are made at once.
#[inline(always)]
fn two_digits(byte: u8) -> [u8; 2] {
    let halves = (u16::from(byte) >> 4 | u16::from(byte) << 8) & 0x0f0f;
    let is_letter = ((halves + 0x0606) >> 4) & 0x0101;
    (halves + 0x3030 + is_letter * u16::from(b'a' - b'0' - 10)).to_le_bytes()
}

pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::BytesDeserializer;

    use super::*;

    #[test]
    fn every_byte_is_written_as_two_digits_and_read_again() {
        for byte in 0..=u8::MAX {
            let bytes = [byte, !byte, byte.rotate_left(3), 0x9a];
            let wanted: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(text(digits(&bytes, &mut [0; 2 * MOST])), wanted);
            assert_eq!(decode(&wanted), Some(bytes));
        }
    }

    #[test]
    fn bytes_are_read_as_they_are() {
        let read = |them| bytes::<4, _>(BytesDeserializer::<serde_json::Error>::new(them));
        assert_eq!(read(&[0, 1, 2, 255]).ok(), Some([0, 1, 2, 255]));
        assert!(read(&[0, 1, 2]).is_err());
    }
}
