//! What an agent writes, in pieces of text.

use std::{
    io,
    task::{Context, Poll, ready},
};

use striatum_core::{sandbox::Output, transport::Stream};

/// No piece of text is longer, in bytes.
const PIECE: usize = 4096;

/// One output of an agent.
pub(super) struct Speech {
    pub(super) stream: Stream,
    /// `None` once it has ended.
    output: Option<Output>,
    /// Read and not passed on: at most a piece and the beginning of a character.
    unsaid: Vec<u8>,
}

impl Speech {
    pub(super) fn new(stream: Stream, output: Option<Output>) -> Self {
        Self { stream, output, unsaid: Vec::new() }
    }

    /// The next piece; `None` once all is said.
    pub(super) fn poll_text(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<String>>> {
        loop {
            let text = next_piece(&mut self.unsaid, self.output.is_none());
            if !text.is_empty() {
                return Poll::Ready(Some(Ok(text)));
            }
            let Some(output) = &mut self.output else { return Poll::Ready(None) };
            let mut space = [0; PIECE];
            match ready!(output.as_mut().poll_read(cx, &mut space)) {
                Ok(0) => self.output = None,
                Ok(length) => self.unsaid.extend_from_slice(space.get(..length).unwrap_or(&space)),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.output = None;
                    return Poll::Ready(Some(Err(e)));
                }
            }
        }
    }
}

/// Takes as much text as makes one piece. The beginning of a character stays until its rest comes, or no more does.
fn next_piece(bytes: &mut Vec<u8>, at_end: bool) -> String {
    let mut text = String::new();
    let mut used = 0;
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        let room = (PIECE - text.len()).min(valid.len());
        let fitting = (0..=room).rev().find(|end| valid.is_char_boundary(*end)).unwrap_or_default();
        text.push_str(valid.get(..fitting).unwrap_or_default());
        used += fitting;
        let broken = chunk.invalid();
        if fitting < valid.len() || broken.is_empty() {
            break;
        }
        let may_go_on = used + broken.len() == bytes.len()
            && std::str::from_utf8(broken).is_err_and(|e| e.error_len().is_none());
        let is_full = text.len() + char::REPLACEMENT_CHARACTER.len_utf8() > PIECE;
        if is_full || (may_go_on && !at_end) {
            break;
        }
        text.push(char::REPLACEMENT_CHARACTER);
        used += broken.len();
    }
    bytes.drain(..used);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(reads: &[&[u8]]) -> Vec<String> {
        let mut bytes = Vec::new();
        let mut said = Vec::new();
        for (number, read) in reads.iter().enumerate() {
            bytes.extend_from_slice(read);
            loop {
                let text = next_piece(&mut bytes, number + 1 == reads.len());
                if text.is_empty() {
                    break;
                }
                assert!(text.len() <= PIECE);
                said.push(text);
            }
        }
        assert!(bytes.is_empty());
        said
    }

    #[test]
    fn a_character_is_never_cut() {
        for character in ["ä", "€", "🦀"] {
            let bytes = character.as_bytes();
            for cut in 1..bytes.len() {
                let (before, after) = bytes.split_at(cut);
                assert_eq!(pieces(&[b"a", before, after, b"b", b""]), ["a", character, "b"]);
            }
        }
        let long = "€".repeat(5000);
        let said = pieces(&[long.as_bytes()]);
        assert_eq!(said.concat(), long);
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        assert_eq!(pieces(&[b"a\xffb\xe2\x82", b"c"]), ["a\u{fffd}b", "\u{fffd}c"]);
        assert_eq!(pieces(&[b"a\xe2\x82", b""]), ["a", "\u{fffd}"]);
        let noise = vec![0xff; 10_000];
        assert_eq!(pieces(&[&noise]).concat(), "\u{fffd}".repeat(10_000));
    }
}
