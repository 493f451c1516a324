//! The end of what a command wrote.

use std::sync::{Mutex, PoisonError};

use futures_util::AsyncReadExt;
use striatum_core::sandbox::Output;

/// Both outputs of a command, as they came, of which only so much is kept.
#[derive(Debug)]
pub(super) struct Kept {
    text: String,
    limit: usize,
    /// Whether something was thrown away already.
    is_cut: bool,
}

impl Kept {
    pub(super) const fn new(limit: usize) -> Self {
        Self { text: String::new(), limit, is_cut: false }
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        // Not at every piece: what is moved to the front is at least as much as what came since.
        if self.text.len() > self.limit.saturating_mul(2) {
            self.text.drain(..self.beyond());
            self.is_cut = true;
        }
    }

    /// What is to be seen, and whether there was more before it.
    pub(super) fn shown(&self) -> (String, bool) {
        let from = self.beyond();
        (self.text.get(from..).unwrap_or_default().to_owned(), self.is_cut || from > 0)
    }

    /// Where that begins which fits the limit, between two characters.
    fn beyond(&self) -> usize {
        let excess = self.text.len().saturating_sub(self.limit);
        (excess..=self.text.len()).find(|at| self.text.is_char_boundary(*at)).unwrap_or_default()
    }
}

/// Reads an output to its end, whoever looks at it.
pub(super) async fn read(output: Option<Output>, kept: &Mutex<Kept>) {
    let Some(mut output) = output else { return };
    let (mut space, mut decoder) = ([0; 8192], Decoder::default());
    let keep = |text: &str| kept.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    loop {
        match output.read(&mut space).await {
            Ok(0) | Err(_) => return keep(&decoder.finish()),
            Ok(length) => keep(&decoder.feed(space.get(..length).unwrap_or_default())),
        }
    }
}

/// Makes text of bytes that come in pieces, leniently, and never of half a character.
#[derive(Debug, Default)]
struct Decoder(Vec<u8>);

impl Decoder {
    fn feed(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let length = self.0.len();
        let is_begun = |from: &usize| {
            let rest = self.0.get(*from..).unwrap_or_default();
            std::str::from_utf8(rest)
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        };
        let whole = (length.saturating_sub(3)..length).find(is_begun).unwrap_or(length);
        let rest = self.0.split_off(whole);
        let text = String::from_utf8_lossy(&self.0).into_owned();
        self.0 = rest;
        text
    }

    fn finish(self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_begins_with_a_whole_character() {
        let mut kept = Kept::new(7);
        kept.push("€€");
        assert_eq!(kept.shown(), ("€€".to_owned(), false));
        kept.push("€");
        assert_eq!(kept.shown(), ("€€".to_owned(), true));
        for _ in 0..1000 {
            kept.push("ab€");
        }
        assert_eq!(kept.shown(), ("ab€".to_owned(), true));
        assert!(kept.text.capacity() <= 64, "{}", kept.text.capacity());
    }

    #[test]
    fn a_limit_of_nothing_keeps_nothing_and_says_so() {
        let mut kept = Kept::new(0);
        assert_eq!(kept.shown(), (String::new(), false));
        kept.push("x");
        assert_eq!(kept.shown(), (String::new(), true));
    }

    #[test]
    fn characters_are_put_together_from_pieces() {
        let text = "a€𝄞ü";
        let mut decoder = Decoder::default();
        let mut read: String = text.bytes().map(|byte| decoder.feed(&[byte])).collect();
        read.push_str(&decoder.finish());
        assert_eq!(read, text);
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\xff\x80a\xe2\x82"), "\u{fffd}\u{fffd}a");
        assert_eq!(decoder.feed(b"x"), "\u{fffd}x");
        decoder.feed(b"\xf0\x9d");
        assert_eq!(decoder.finish(), "\u{fffd}");
    }
}
