//! Lists and objects that were begun.

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
    /// The last key, if it was declared.
    declared: &'static str,
    /// Where the last key stands, if it was not.
    written: Range<usize>,
}

impl<'w, 't, const IN_ORDER: bool> Compound<'w, 't, IN_ORDER> {
    #[inline(always)]
    pub(super) fn begin(writer: &'w mut Writer<'t, IN_ORDER>, [open, close]: [u8; 2], of: Of) -> Self {
        writer.text.push(open);
        Self { writer, close, of, is_first: true, declared: "", written: 0..0 }
    }

    #[inline(always)]
    fn is_behind_another(&mut self) -> bool {
        !std::mem::replace(&mut self.is_first, false)
    }

    #[inline(always)]
    fn item(&mut self, value: &(impl Serialize + ?Sized)) -> Result<()> {
        if self.is_behind_another() {
            self.writer.text.push(b',');
        }
        value.serialize(&mut *self.writer)
    }

    // Inlined, so that the length of the key is known, and mostly also whether it is the first, and comes in order.
    #[inline(always)]
    fn field(&mut self, key: &'static str, value: &(impl Serialize + ?Sized)) -> Result<()> {
        if IN_ORDER && std::mem::replace(&mut self.declared, key) > key {
            return Err(unknown());
        }
        let before: &[u8] = if self.is_behind_another() { b",\"" } else { b"\"" };
        self.writer.name(before, key, b"\":");
        value.serialize(&mut *self.writer)
    }

    #[inline(always)]
    fn finish(self) -> Result<()> {
        match self.of {
            Of::Value => self.writer.text.push(self.close),
            Of::Variant => self.writer.text.extend_from_slice(&[self.close, b'}']),
        }
        Ok(())
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
        if self.is_behind_another() {
            self.writer.text.push(b',');
        }
        let start = self.writer.text.len();
        key.serialize(&mut *self.writer)?;
        let (before, key) = self.writer.text.split_at(start);
        // Without the quotation mark behind it: then the order of plain keys, by bytes, is that of UTF-16 code units.
        let [b'"', .., b'"'] = key else { return Err(unknown()) };
        let key = &key[..key.len() - 1];
        let is_plain = || key.iter().all(|byte| byte.is_ascii() && *byte != b'\\');
        if IN_ORDER && !(is_plain() && before[self.written.clone()] <= *key) {
            return Err(unknown());
        }
        self.written = start..start + key.len();
        self.writer.text.push(b':');
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<()> {
        self.finish()
    }
}
