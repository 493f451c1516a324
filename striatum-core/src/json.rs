//! JSON as it is hashed and stored, from a value to its bytes in one pass.
//!
//! What is written is what `serde_json` writes, byte for byte; in order, it is what RFC 8785 wants. Events, commands and packets are
//! written so often that this is worth a writer that knows one format, one target and no white space.

use std::ops::Range;

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Error, Result};

#[cfg(test)]
mod tests;

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

/// Writes a value with its members in the order of their keys.
///
/// # Errors
/// If there is anything that RFC 8785 writes otherwise than plainly: a fraction, a large number, a key that is not plain.
pub(crate) fn write_in_order(value: &(impl Serialize + ?Sized), to: &mut Vec<u8>) -> Result<()> {
    value.serialize(&mut Writer::<true>::new(to))
}

/// A serializer that appends to a text. What it does not know it refuses.
struct Writer<'t, const IN_ORDER: bool> {
    text: &'t mut Vec<u8>,
    /// If they are to be in order: the members of the objects that were begun, those of the innermost last.
    members: Vec<Member>,
    aside: Vec<u8>,
}

/// A member of an object: where its key and where the whole of it stands in the text.
struct Member {
    key: Range<usize>,
    whole: Range<usize>,
}

fn unknown() -> Error {
    Error::custom("this is not written in one pass")
}

impl<'t, const IN_ORDER: bool> Writer<'t, IN_ORDER> {
    fn new(text: &'t mut Vec<u8>) -> Self {
        let members = Vec::with_capacity(if IN_ORDER { 32 } else { 0 });
        Self { text, members, aside: Vec::new() }
    }

    fn string(&mut self, text: &str) -> Result<()> {
        if !is_plain(text.as_bytes()) {
            return serde_json::to_writer(&mut *self.text, text);
        }
        self.text.reserve(text.len() + 2);
        self.text.push(b'"');
        self.text.extend_from_slice(text.as_bytes());
        self.text.push(b'"');
        Ok(())
    }

    fn number(&mut self, mut number: u64) -> Result<()> {
        /// What every reader of RFC 8785 takes for the same number.
        const EXACT: u64 = 1_000_000_000_000_000;
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

    fn begin(&mut self, open: &'static [u8], close: &'static [u8]) -> Compound<'_, 't, IN_ORDER> {
        self.text.extend_from_slice(open);
        let (outer, start) = (self.members.len(), self.text.len());
        Compound { outer, start, close, is_first: true, is_in_order: true, writer: self }
    }

    /// `{"variant":` — names of variants are plain.
    fn begin_variant(&mut self, variant: &'static str) {
        self.text.extend_from_slice(b"{\"");
        self.text.extend_from_slice(variant.as_bytes());
        self.text.extend_from_slice(b"\":");
    }
}

/// Whether a text stands between quotation marks as it is.
fn is_plain(text: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // For any byte of eight at once; a borrow can only come from a byte that is found itself.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let (words, rest) = text.as_chunks::<8>();
    let found = words.iter().fold(0, |found, word| {
        let word = u64::from_le_bytes(*word);
        let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        found | below(word, 0x20) | is(b'"') | is(b'\\')
    });
    found == 0 && !rest.iter().any(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))
}

/// A list or an object that was begun.
struct Compound<'w, 't, const IN_ORDER: bool> {
    writer: &'w mut Writer<'t, IN_ORDER>,
    close: &'static [u8],
    is_first: bool,
    /// Whether its members came in order so far.
    is_in_order: bool,
    /// How many members its surroundings have.
    outer: usize,
    /// Where its own begin in the text.
    start: usize,
}

impl<const IN_ORDER: bool> Compound<'_, '_, IN_ORDER> {
    #[inline]
    fn separate(&mut self) {
        if !std::mem::replace(&mut self.is_first, false) {
            self.writer.text.push(b',');
        }
    }

    #[inline(always)]
    fn item(&mut self, value: &(impl Serialize + ?Sized)) -> Result<()> {
        self.separate();
        value.serialize(&mut *self.writer)
    }

    // Inlined, so that the length of the key is known.
    #[inline(always)]
    fn field(&mut self, key: &'static str, value: &(impl Serialize + ?Sized)) -> Result<()> {
        self.separate();
        let begun = self.writer.text.len();
        self.writer.text.push(b'"');
        self.writer.text.extend_from_slice(key.as_bytes());
        self.writer.text.extend_from_slice(b"\":");
        self.note(begun, key.len());
        value.serialize(&mut *self.writer)?;
        self.end_member();
        Ok(())
    }

    /// Takes down that a member begins here, with a key of this length.
    fn note(&mut self, begun: usize, length: usize) {
        if IN_ORDER {
            let Writer { text, members, .. } = &mut *self.writer;
            let key = begun + 1..begun + 1 + length;
            let before = members[self.outer..].last().map(|member| &text[member.key.clone()]);
            self.is_in_order &= before.is_none_or(|before| before <= &text[key.clone()]);
            members.push(Member { key, whole: begun..begun });
        }
    }

    fn end_member(&mut self) {
        if IN_ORDER && let Some(member) = self.writer.members.last_mut() {
            member.whole.end = self.writer.text.len();
        }
    }

    #[inline]
    fn finish(mut self) -> Result<()> {
        if IN_ORDER {
            self.arrange();
        }
        self.writer.text.extend_from_slice(self.close);
        Ok(())
    }

    /// Puts the members in order, if they did not come so.
    fn arrange(&mut self) {
        let (Writer { text, members, aside }, start) = (&mut *self.writer, self.start);
        if !self.is_in_order {
            aside.clear();
            aside.extend_from_slice(&text[start..]);
            text.truncate(start);
            let within = |range: &Range<usize>| range.start - start..range.end - start;
            // Among plain keys the order of bytes is that of UTF-16 code units.
            members[self.outer..].sort_unstable_by(|a, b| aside[within(&a.key)].cmp(&aside[within(&b.key)]));
            for (place, member) in members[self.outer..].iter().enumerate() {
                if place > 0 {
                    text.push(b',');
                }
                text.extend_from_slice(&aside[within(&member.whole)]);
            }
        }
        members.truncate(self.outer);
    }
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

    fn serialize_str(self, value: &str) -> Result<()> {
        self.string(value)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<()> {
        Err(unknown())
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

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        self.string(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        self.begin_variant(variant);
        value.serialize(&mut *self)?;
        self.text.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq> {
        Ok(self.begin(b"[", b"]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple> {
        Ok(self.begin(b"[", b"]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct> {
        Ok(self.begin(b"[", b"]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        self.begin_variant(variant);
        Ok(self.begin(b"[", b"]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap> {
        Ok(self.begin(b"{", b"}"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct> {
        Ok(self.begin(b"{", b"}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant> {
        self.begin_variant(variant);
        Ok(self.begin(b"{", b"}}"))
    }
}

/// The kinds of lists, and of objects whose keys are declared, differ in name only.
macro_rules! compounds {
    ($($trait:ident::$method:ident($([$key:ident: $type:ty],)? value) => $write:ident;)*) => {$(
        impl<const IN_ORDER: bool> $trait for Compound<'_, '_, IN_ORDER> {
            type Ok = ();
            type Error = Error;

            #[inline(always)]
            fn $method<T: Serialize + ?Sized>(&mut self, $($key: $type,)? value: &T) -> Result<()> {
                self.$write($($key,)? value)
            }

            fn end(self) -> Result<()> {
                self.finish()
            }
        }
    )*};
}

compounds! {
    SerializeSeq::serialize_element(value) => item;
    SerializeTuple::serialize_element(value) => item;
    SerializeTupleStruct::serialize_field(value) => item;
    SerializeTupleVariant::serialize_field(value) => item;
    SerializeStruct::serialize_field([key: &'static str], value) => field;
    SerializeStructVariant::serialize_field([key: &'static str], value) => field;
}

impl<const IN_ORDER: bool> SerializeMap for Compound<'_, '_, IN_ORDER> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.separate();
        let begun = self.writer.text.len();
        key.serialize(&mut *self.writer)?;
        let written = &self.writer.text[begun..];
        let is_string = written.first() == Some(&b'"');
        if !is_string || IN_ORDER && !written.iter().all(|byte| byte.is_ascii() && *byte != b'\\') {
            return Err(unknown());
        }
        let length = written.len() - 2;
        self.writer.text.push(b':');
        self.note(begun, length);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut *self.writer)?;
        self.end_member();
        Ok(())
    }

    fn end(self) -> Result<()> {
        self.finish()
    }
}
