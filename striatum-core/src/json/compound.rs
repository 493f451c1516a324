//! Lists and objects that were begun, and the order of their members.

use std::ops::Range;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};
use serde_json::{Error, Result};

use super::{Writer, unknown};

/// What a list or an object is the whole of.
#[derive(Clone, Copy)]
pub(super) enum Of {
    Value,
    /// The object around it, whose key is the name of the variant, ends with it.
    Variant,
}

/// A list or an object that was begun.
pub(super) struct Compound<'w, 't, const IN_ORDER: bool> {
    writer: &'w mut Writer<'t, IN_ORDER>,
    close: u8,
    of: Of,
    is_first: bool,
    /// The last key that was declared.
    last: &'static str,
    /// Whether its members came in order so far.
    is_in_order: bool,
    /// How many members its surroundings have.
    outer: usize,
    /// Where its own begin in the text.
    start: usize,
}

impl<'w, 't, const IN_ORDER: bool> Compound<'w, 't, IN_ORDER> {
    #[inline(always)]
    pub(super) fn begin(writer: &'w mut Writer<'t, IN_ORDER>, [open, close]: [u8; 2], of: Of) -> Self {
        writer.text.push(open);
        let (outer, start) = (writer.members.len(), writer.text.len());
        Self { outer, start, close, of, is_first: true, last: "", is_in_order: true, writer }
    }

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

    // Inlined, so that the length of the key is known, and mostly also whether it comes in order.
    #[inline(always)]
    fn field(&mut self, key: &'static str, value: &(impl Serialize + ?Sized)) -> Result<()> {
        self.separate();
        if IN_ORDER {
            self.is_in_order &= std::mem::replace(&mut self.last, key) <= key;
            self.begin_member();
        }
        self.writer.text.push(b'"');
        self.writer.text.extend_from_slice(key.as_bytes());
        self.writer.text.extend_from_slice(b"\":");
        value.serialize(&mut *self.writer)?;
        self.end_member();
        Ok(())
    }

    #[inline]
    fn begin_member(&mut self) {
        let begun = self.writer.text.len();
        self.writer.members.push(begun..begun);
    }

    #[inline]
    fn end_member(&mut self) {
        if IN_ORDER && let Some(member) = self.writer.members.last_mut() {
            member.end = self.writer.text.len();
        }
    }

    #[inline(always)]
    fn finish(mut self) -> Result<()> {
        if IN_ORDER {
            if !self.is_in_order {
                self.arrange();
            }
            self.writer.members.truncate(self.outer);
        }
        self.writer.text.push(self.close);
        if let Of::Variant = self.of {
            self.writer.text.push(b'}');
        }
        Ok(())
    }

    /// Puts the members in order.
    #[cold]
    fn arrange(&mut self) {
        let (Writer { text, members, aside, .. }, start) = (&mut *self.writer, self.start);
        aside.clear();
        aside.extend_from_slice(&text[start..]);
        text.truncate(start);
        let member = |range: &Range<usize>| &aside[range.start - start..range.end - start];
        // Among plain keys the order of bytes is that of UTF-16 code units.
        members[self.outer..].sort_unstable_by(|a, b| key(member(a)).cmp(key(member(b))));
        for (place, range) in members[self.outer..].iter().enumerate() {
            if place > 0 {
                text.push(b',');
            }
            text.extend_from_slice(member(range));
        }
    }
}

/// The key of a member, which is plain.
fn key(member: &[u8]) -> &[u8] {
    let key = member.get(1..).unwrap_or_default();
    key.split(|byte| *byte == b'"').next().unwrap_or_default()
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
        let (before, begun) = (self.writer.members.last().cloned(), self.writer.text.len());
        let before = before.filter(|_| self.writer.members.len() > self.outer);
        if IN_ORDER {
            self.begin_member();
        }
        key.serialize(&mut *self.writer)?;
        let text = &self.writer.text;
        let written = &text[begun..];
        let is_string = written.first() == Some(&b'"');
        if !is_string || IN_ORDER && !written.iter().all(|byte| byte.is_ascii() && *byte != b'\\') {
            return Err(unknown());
        }
        self.is_in_order &= before.is_none_or(|before| self::key(&text[before]) <= self::key(written));
        self.writer.text.push(b':');
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
