//! JSON as it is hashed and stored, from a value to its bytes in one pass.
//!
//! What is written is what `serde_json` writes, byte for byte; in order, it is what RFC 8785 wants. Events, commands and packets are
//! written so often that this is worth a writer that knows one format, one target and no white space.

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::{Error, Result};

use crate::hex;
use compound::{Compound, Of};

mod compound;

#[cfg(test)]
mod tests;

/// How a text calls itself of which it is known that it stands between quotation marks as it is.
const PLAIN: &str = "a plain text";

/// Serialises a text without anything in it that JSON escapes, as names are. Any serializer takes it for a
/// string; ours does not look at each of its bytes.
pub(crate) fn plain<S: Serializer>(text: &str, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_newtype_struct(PLAIN, text)
}

/// How a text calls itself that is a written value.
const WRITTEN: &str = "a written value";

/// Serialises a value whose canonical text is known. Any serializer gets the value; ours copies the text.
pub(crate) fn written<S: Serializer>(
    value: &impl Serialize,
    text: &str,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    if to.is_human_readable() { value.serialize(to) } else { to.serialize_newtype_struct(WRITTEN, text) }
}

/// Writes a value behind what stands there, its members in the order in which they are declared.
pub(crate) fn write(value: &(impl Serialize + ?Sized), to: &mut Vec<u8>) -> Result<()> {
    let start = to.len();
    match value.serialize(&mut Writer::<false>::new(to)) {
        Ok(()) => Ok(()),
        Err(_) => {
            to.truncate(start);
            serde_json::to_writer(to, value)
        }
    }
}

/// Writes a value whose members are declared in the order of their keys.
///
/// # Errors
/// If they are not, or if there is anything that RFC 8785 writes otherwise than plainly: a fraction, a large number, a key that is not
/// plain.
pub(crate) fn write_in_order(value: &(impl Serialize + ?Sized), to: &mut Vec<u8>) -> Result<()> {
    value.serialize(&mut Writer::<true>::new(to))
}

/// A serializer that appends to a text. What it does not know it refuses.
struct Writer<'t, const IN_ORDER: bool> {
    text: &'t mut Vec<u8>,
    /// What the text that comes next calls itself.
    next: Next,
}

/// What a text may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Any,
    Plain,
    Written,
}

fn unknown() -> Error {
    Error::custom("this is not written in one pass")
}

impl<'t, const IN_ORDER: bool> Writer<'t, IN_ORDER> {
    fn new(text: &'t mut Vec<u8>) -> Self {
        Self { text, next: Next::Any }
    }

    fn string(&mut self, text: &str) -> Result<()> {
        if !is_plain(text.as_bytes()) {
            return serde_json::to_writer(&mut *self.text, text);
        }
        self.quote(text.as_bytes());
        Ok(())
    }

    /// A text that stands between quotation marks as it is.
    #[inline(always)]
    fn quote(&mut self, text: &[u8]) {
        self.text.reserve(text.len() + 2);
        self.text.push(b'"');
        self.text.extend_from_slice(text);
        self.text.push(b'"');
    }

    /// The name of a member or a variant, which is plain, with what stands before and behind it: one piece of text, if all three are
    /// known where this is inlined.
    #[inline(always)]
    fn name(&mut self, before: &[u8], name: &'static str, behind: &[u8]) {
        /// What nearly every name fits into.
        const ROOM: usize = 40;
        let (start, end) = (before.len(), before.len() + name.len());
        let length = end + behind.len();
        if length > ROOM {
            return self.text.extend(before.iter().chain(name.as_bytes()).chain(behind));
        }
        let mut piece = [0; ROOM];
        piece[..start].copy_from_slice(before);
        piece[start..end].copy_from_slice(name.as_bytes());
        piece[end..length].copy_from_slice(behind);
        self.text.extend_from_slice(&piece[..length]);
    }

    fn number(&mut self, mut number: u64) -> Result<()> {
        /// What every reader of RFC 8785 takes for the same number.
        const EXACT: u64 = 1_000_000_000_000_000;
        if number < 10 {
            self.text.push(b'0' + number as u8);
            return Ok(());
        }
        if number < 100 {
            self.text.extend_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
            return Ok(());
        }
        if IN_ORDER && number >= EXACT {
            return Err(unknown());
        }
        let mut digits = [0; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.text.extend_from_slice(&digits[first..]);
        Ok(())
    }
}

/// Whether a text stands between quotation marks as it is.
fn is_plain(text: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    // For any byte of eight at once; a borrow can only come from a byte that is found itself.
    let special = |word: u64| {
        // What is below 0x20 stays so, and the quotation mark comes to stand behind it.
        let low = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
        let backslash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
        (low | backslash) & !word
    };
    let Some(last) = text.last_chunk::<8>() else {
        return !text.iter().any(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'));
    };
    let words = text.as_chunks().0.iter().chain([last]);
    words.fold(0, |found, word| found | special(u64::from_le_bytes(*word))) & (ONES << 7) == 0
}

macro_rules! widened {
    ($($method:ident($type:ty) => $wide:ident;)*) => {$(
        fn $method(self, value: $type) -> Result<()> {
            self.$wide(value.into())
        }
    )*};
}

impl<'w, 't, const IN_ORDER: bool> Serializer for &'w mut Writer<'t, IN_ORDER> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'w, 't, IN_ORDER>;
    type SerializeTuple = Self::SerializeSeq;
    type SerializeTupleStruct = Self::SerializeSeq;
    type SerializeTupleVariant = Self::SerializeSeq;
    type SerializeMap = Self::SerializeSeq;
    type SerializeStruct = Self::SerializeSeq;
    type SerializeStructVariant = Self::SerializeSeq;

    /// Identities and digests hand their bytes over, whose digits need not be looked at.
    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<()> {
        self.text.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    widened! {
        serialize_i8(i8) => serialize_i64;
        serialize_i16(i16) => serialize_i64;
        serialize_i32(i32) => serialize_i64;
        serialize_u8(u8) => serialize_u64;
        serialize_u16(u16) => serialize_u64;
        serialize_u32(u32) => serialize_u64;
    }

    fn serialize_i64(self, value: i64) -> Result<()> {
        if value < 0 {
            self.text.push(b'-');
        }
        self.number(value.unsigned_abs())
    }

    fn serialize_u64(self, value: u64) -> Result<()> {
        self.number(value)
    }

    fn serialize_f32(self, _: f32) -> Result<()> {
        Err(unknown())
    }

    fn serialize_f64(self, _: f64) -> Result<()> {
        Err(unknown())
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.string(value.encode_utf8(&mut [0; 4]))
    }

    #[inline(always)]
    fn serialize_str(self, value: &str) -> Result<()> {
        match std::mem::replace(&mut self.next, Next::Any) {
            Next::Any => return self.string(value),
            Next::Plain => self.quote(value.as_bytes()),
            Next::Written => self.text.extend_from_slice(value.as_bytes()),
        }
        Ok(())
    }

    /// Identities and digests, in hexadecimal digits.
    #[inline(always)]
    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        let mut quoted = [b'"'; 2 * hex::MOST + 2];
        hex::digits(value, &mut quoted[1..]);
        self.text.extend_from_slice(&quoted[..2 * value.len() + 2]);
        Ok(())
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.text.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    #[inline(always)]
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        self.name(b"\"", variant, b"\"");
        Ok(())
    }

    #[inline(always)]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<()> {
        self.next = match name {
            PLAIN => Next::Plain,
            WRITTEN => Next::Written,
            _ => Next::Any,
        };
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        self.name(b"{\"", variant, b"\":");
        value.serialize(&mut *self)?;
        self.text.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq> {
        Ok(Compound::begin(self, *b"[]", Of::Value))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple> {
        Ok(Compound::begin(self, *b"[]", Of::Value))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct> {
        Ok(Compound::begin(self, *b"[]", Of::Value))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        self.name(b"{\"", variant, b"\":");
        Ok(Compound::begin(self, *b"[]", Of::Variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap> {
        Ok(Compound::begin(self, *b"{}", Of::Value))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct> {
        Ok(Compound::begin(self, *b"{}", Of::Value))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant> {
        self.name(b"{\"", variant, b"\":");
        Ok(Compound::begin(self, *b"{}", Of::Variant))
    }
}
