//! Finding texts in a stream, in whatever pieces it comes.

use std::{fmt, sync::Arc};

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;

use super::encoding::{forms, percent_decoded};

/// Texts that are looked for, in all their forms.
#[derive(Clone)]
pub(super) struct Wanted(Arc<[Needle]>);

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wanted")
    }
}

struct Needle {
    /// Which of the texts this is a form of.
    text: usize,
    finder: Finder<'static>,
}

impl Wanted {
    pub(super) fn new<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let needles = texts.into_iter().enumerate().flat_map(|(text, bytes)| {
            forms(bytes).into_iter().map(move |form| Needle { text, finder: Finder::new(&form).into_owned() })
        });
        Self(needles.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Which of the texts stand in this, each at most once.
    pub(super) fn all_in(&self, bytes: &[u8]) -> Vec<usize> {
        let decoded = bytes.contains(&b'%').then(|| percent_decoded(bytes).bytes);
        let is_in = |needle: &&Needle| {
            let finds = |bytes: &[u8]| needle.finder.find(bytes).is_some();
            finds(bytes) || decoded.as_deref().is_some_and(finds)
        };
        let mut texts: Vec<usize> = self.0.iter().filter(is_in).map(|needle| needle.text).collect();
        texts.dedup();
        texts
    }

    /// From where on the end of this may be the beginning of a text.
    fn open_end(&self, bytes: &[u8]) -> usize {
        let raw = bytes.len() - self.begun(bytes);
        if !bytes.contains(&b'%') {
            return raw;
        }
        // An encoding that is itself cut in two counts as begun.
        let cut = bytes.iter().rev().take(2).position(|byte| *byte == b'%').map_or(0, |back| back + 1);
        let whole = &bytes[..bytes.len() - cut];
        let decoded = percent_decoded(whole);
        let begun = decoded.bytes.len() - self.begun(&decoded.bytes);
        raw.min(decoded.origins.get(begun).copied().unwrap_or(whole.len()))
    }

    /// The longest beginning of a text with which this ends.
    fn begun(&self, bytes: &[u8]) -> usize {
        let longest = |needle: &Needle| {
            let needle = needle.finder.needle();
            let most = bytes.len().min(needle.len() - 1);
            (1..=most).rev().find(|length| bytes.ends_with(&needle[..*length])).unwrap_or(0)
        };
        self.0.iter().map(longest).max().unwrap_or(0)
    }
}

/// One of the texts stood in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found;

/// Passes a stream on, and holds back what may be the beginning of a text until it is known.
pub(super) struct Scan {
    wanted: Wanted,
    held: BytesMut,
}

impl Scan {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, held: BytesMut::new() }
    }

    /// What may be passed on, now that this has come.
    pub(super) fn push(&mut self, chunk: Bytes) -> Result<Bytes, Found> {
        if self.wanted.is_empty() {
            return Ok(chunk);
        }
        let all = if self.held.is_empty() {
            chunk
        } else {
            self.held.extend_from_slice(&chunk);
            self.held.split().freeze()
        };
        if !self.wanted.all_in(&all).is_empty() {
            return Err(Found);
        }
        let end = self.wanted.open_end(&all);
        self.held.extend_from_slice(&all[end..]);
        Ok(all.slice(..end))
    }

    /// What was held back, now that nothing more comes.
    pub(super) fn rest(&mut self) -> Bytes {
        self.held.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(pieces: &[&str]) -> Result<String, Found> {
        let mut scan = Scan::new(Wanted::new([b"secret-text".as_slice()]));
        let mut passed = Vec::new();
        for piece in pieces {
            passed.extend(scan.push(Bytes::copy_from_slice(piece.as_bytes()))?);
        }
        passed.extend(scan.rest());
        Ok(String::from_utf8(passed).expect("text"))
    }

    #[test]
    fn what_is_not_looked_for_passes_as_it_is() {
        for pieces in [&["a", "", "bc"][..], &["secre", "d"], &["sec", "secret-tex"], &["%73", "ecret%", "2"]]
        {
            assert_eq!(passed(pieces), Ok(pieces.concat()));
        }
    }

    #[test]
    fn a_text_is_found_however_it_is_cut() {
        for whole in [
            "xxsecret-textyy",
            "se%63ret%2dtext",
            "%73%65%63%72%65%74%2D%74%65%78%74",
            "YTpzZWNyZXQtdGV4dA==",
        ] {
            for cut in 0..whole.len() {
                let (before, after) = whole.split_at(cut);
                assert_eq!(passed(&[before, after]), Err(Found), "{before} {after}");
            }
            let letters: Vec<String> = whole.chars().map(String::from).collect();
            let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
            assert_eq!(passed(&letters), Err(Found), "{whole}");
        }
    }

    #[test]
    fn nothing_of_a_text_has_passed_when_it_is_found() {
        let mut scan = Scan::new(Wanted::new([b"secret-text".as_slice()]));
        assert_eq!(scan.push(Bytes::from_static(b"a=secret-")), Ok(Bytes::from_static(b"a=")));
        assert_eq!(scan.push(Bytes::from_static(b"text")), Err(Found));
    }
}
