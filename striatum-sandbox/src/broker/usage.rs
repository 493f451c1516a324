//! The tokens that an answer tells of, whoever's it is, streamed or not.

use std::{mem, sync::LazyLock};

use memchr::{memchr, memmem, memrchr};
use serde_json::Value;
use striatum_core::transport::Spend;

/// No more of one event, or of an answer that is not streamed, is kept to be read.
const MOST_BYTES: usize = 8 << 20;

/// Reads an answer as it passes.
#[derive(Debug)]
pub(super) struct Reader {
    is_streamed: bool,
    kept: Vec<u8>,
    /// What is kept is the middle of something too long.
    is_cut: bool,
    spend: Option<Spend>,
    bytes: u64,
}

impl Reader {
    /// For an answer that is a stream of events, or one text of JSON.
    pub(super) const fn new(is_streamed: bool) -> Self {
        Self { is_streamed, kept: Vec::new(), is_cut: false, spend: None, bytes: 0 }
    }

    /// More of the answer.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if !self.is_streamed {
            return self.keep(bytes);
        }
        if !self.kept.is_empty() || self.is_cut {
            let Some(end) = memchr(b'\n', bytes) else { return self.keep(bytes) };
            let (line, rest) = split(bytes, end);
            self.keep(line);
            let line = mem::take(&mut self.kept);
            if !mem::take(&mut self.is_cut) {
                self.line(&line);
            }
            bytes = rest;
        }
        let (lines, rest) = memrchr(b'\n', bytes).map_or((&[][..], bytes), |end| split(bytes, end));
        self.lines(lines);
        self.keep(rest);
    }

    /// What was told, once all has been read.
    pub(super) fn spend(&mut self) -> Option<Spend> {
        let rest = std::mem::take(&mut self.kept);
        if !self.is_cut {
            if self.is_streamed { self.line(&rest) } else { self.json(&rest) }
        }
        self.spend
    }

    /// About how many tokens an answer of this length has. Events say little with many words.
    pub(super) const fn guess(&self) -> u64 {
        self.bytes / if self.is_streamed { 16 } else { 4 }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.is_cut || self.kept.len() + bytes.len() > MOST_BYTES {
            self.is_cut = true;
            self.kept = Vec::new();
        } else {
            self.kept.extend_from_slice(bytes);
        }
    }

    /// Reads those of several lines that can tell anything; most do not.
    fn lines(&mut self, mut lines: &[u8]) {
        while let Some(at) = USAGE.find(lines) {
            let (before, after) = lines.split_at(at);
            let start = memrchr(b'\n', before).map_or(0, |end| end + 1);
            let end = memchr(b'\n', after).map_or(lines.len(), |end| at + end);
            self.line(lines.get(start..end).unwrap_or_default());
            lines = lines.get(end..).unwrap_or_default();
        }
    }

    fn line(&mut self, line: &[u8]) {
        if let Some(data) = line.strip_prefix(b"data:") {
            self.json(data);
        }
    }

    fn json(&mut self, text: &[u8]) {
        // Most events tell nothing of it, and need not be read.
        if USAGE.find(text).is_none() {
            return;
        }
        match serde_json::from_slice::<Value>(text) {
            // A stream of another form: one text with a list of events.
            Ok(Value::Array(events)) => events.iter().for_each(|event| self.event(event)),
            Ok(event) => self.event(&event),
            Err(_) => {}
        }
    }

    /// Counts grow within an answer: each event tells how far they are.
    fn event(&mut self, event: &Value) {
        let places =
            ["/usage", "/message/usage", "/response/usage", "/usageMetadata", "/response/usageMetadata"];
        for usage in places.iter().filter_map(|place| event.pointer(place)) {
            let told = |names: &[&str]| {
                let counts = names.iter().filter_map(|name| usage.get(name)?.as_u64());
                counts.reduce(u64::saturating_add)
            };
            let (read, written) = (told(&READ), told(&WRITTEN));
            if read.or(written).is_some() {
                let spend = self.spend.get_or_insert_default();
                spend.input_tokens = spend.input_tokens.max(read);
                spend.output_tokens = spend.output_tokens.max(written);
            }
        }
    }
}

/// What stands wherever anything is told of it.
static USAGE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\"usage"));

/// What stands before and after the byte at this place.
fn split(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    let (before, after) = bytes.split_at(at);
    (before, after.get(1..).unwrap_or_default())
}

/// No two of one provider name the same tokens.
const READ: [&str; 6] = [
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "prompt_tokens",
    "promptTokenCount",
    "toolUsePromptTokenCount",
];
const WRITTEN: [&str; 4] =
    ["output_tokens", "completion_tokens", "candidatesTokenCount", "thoughtsTokenCount"];

#[cfg(test)]
mod tests {
    use super::*;

    const ANTHROPIC: &str = concat!(
        "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,",
        "\"cache_creation_input_tokens\":5,\"cache_read_input_tokens\":100,\"output_tokens\":1}}}\r\n\r\n",
        "event: content_block_delta\ndata: {\"delta\":{\"text\":\"\\\"usage\\\": {\\\"input_tokens\\\": 9999}\"}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":20}}\n\n"
    );

    fn told(is_streamed: bool, chunks: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Option<(u64, u64)> {
        let mut reader = Reader::new(is_streamed);
        chunks.into_iter().for_each(|chunk| reader.read(chunk.as_ref()));
        reader.spend().map(|spend| (spend.input_tokens.unwrap_or(0), spend.output_tokens.unwrap_or(0)))
    }

    #[test]
    fn every_provider_tells_it_in_its_own_way() {
        for (is_streamed, answer, expected) in [
            (true, ANTHROPIC, (115, 20)),
            (false, "{\"content\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}", (3, 4)),
            (
                true,
                "data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":7,\"input_tokens_details\":{\"cached_tokens\":5},\"output_tokens\":8,\"total_tokens\":15}}}\n\n",
                (7, 8),
            ),
            (
                true,
                "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
                (1, 2),
            ),
            (
                true,
                "data: {\"usageMetadata\":{\"promptTokenCount\":5}}\n\ndata: {\"usageMetadata\":{\"promptTokenCount\":5,\"candidatesTokenCount\":6,\"thoughtsTokenCount\":7}}",
                (5, 13),
            ),
            (
                false,
                "[{\"usageMetadata\":{\"promptTokenCount\":5}},{\"usageMetadata\":{\"candidatesTokenCount\":6}}]",
                (5, 6),
            ),
        ] {
            assert_eq!(told(is_streamed, [answer]), Some(expected), "{answer}");
            let single: Vec<[u8; 1]> = answer.bytes().map(|byte| [byte]).collect();
            assert_eq!(told(is_streamed, single), Some(expected), "{answer}, byte by byte");
        }
    }

    #[test]
    fn what_tells_nothing_is_not_known() {
        for answer in ["", "data: {}\n", "data: {\"usage\":\n", "\"usage", "data: {\"usageMetadata\":null}"] {
            assert_eq!((told(true, [answer]), told(false, [answer])), (None, None), "{answer}");
        }
    }

    #[test]
    fn an_event_that_is_too_long_is_passed_over_and_the_next_one_is_read() {
        let long = vec![b'x'; MOST_BYTES / 2 + 1];
        let chunks: [&[u8]; 4] =
            [b"data: \"usage", &long, &long, b"\ndata: {\"usage\":{\"input_tokens\":1}}\n"];
        assert_eq!(told(true, chunks), Some((1, 0)));
    }
}
