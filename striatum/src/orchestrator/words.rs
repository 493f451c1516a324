//! The last words of an agent, for the reason why its attempt failed.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use striatum_core::workflow::Lane;

/// How much of a transcript is looked at, in bytes, and how many of its last lines are kept.
const TAIL: u64 = 4096;
const LINES: usize = 5;
/// Shorter values are words that stand in any text.
const SECRET: usize = 6;

/// The last lines of a transcript, without the values that the lane passes on from the host; nothing if there is none.
pub(super) fn last(log: &Path, lane: &Lane) -> String {
    let text = match tail(log) {
        Ok(text) => text,
        // The lane keeps no transcript, or the agent never ran.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return String::new(),
        Err(error) => {
            tracing::warn!(%error, log = %log.display(), "the transcript cannot be read");
            return String::new();
        }
    };
    let passed_on = lane.env.iter().filter(|(_, value)| value.is_none());
    let text = redacted(text, passed_on.filter_map(|(name, _)| std::env::var_os(name)));
    let lines: Vec<&str> = text.lines().collect();
    match lines.get(lines.len().saturating_sub(LINES)..) {
        None | Some([]) => String::new(),
        Some(last) => format!("; its last words: {}", last.join(" / ")),
    }
}

fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let from = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line may have been cut, in the middle of a secret even.
    let whole = if from == 0 { Some(&*text) } else { text.split_once('\n').map(|(_, rest)| rest) };
    Ok(whole.unwrap_or_default().to_owned())
}

fn redacted(text: String, secrets: impl Iterator<Item = OsString>) -> String {
    let secrets = secrets.filter_map(|secret| secret.into_string().ok());
    secrets.filter(|secret| secret.len() >= SECRET).fold(text, |text, secret| text.replace(&secret, "…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out_and_short_words_stay() {
        let secrets = ["hunter2-hunter2", "a"].map(OsString::from);
        let text = redacted("a key: hunter2-hunter2".to_owned(), secrets.into_iter());
        assert_eq!(text, "a key: …");
    }
}
