//! What an agent's error, or its words, amount to.
//!
//! Agents agree on little here: the same refusal of a model's host comes as `-32000`, as `-32603` with details in any of a dozen
//! fields, as the status itself in place of the code, or as the text of a turn that ended well.

use std::time::Duration;

use serde_json::Value;
use striatum_core::{
    time::Timestamp,
    transport::{Outcome, Reset},
};

/// No deeper than this is looked into what comes with an error.
const DEPTH: usize = 6;

/// What an error of an agent amounts to.
pub(crate) fn of_error(code: i32, message: &str, data: Option<&Value>) -> Outcome {
    let mut clues = Clues { status: status(i64::from(code)), reset: None, words: message.to_lowercase() };
    if let Some(data) = data {
        clues.collect(data, DEPTH);
    }
    match clues.outcome() {
        Some(outcome) => outcome,
        None if code == -32000 => Outcome::AuthNeeded,
        None => Outcome::Failed,
    }
}

/// What the words of a turn amount to that ended as if all were well and in which nothing was done: some agents tell of errors
/// so. Only a few sure signs count, at the beginning of one of the last lines.
pub(crate) fn of_words(text: &str) -> Option<Outcome> {
    const SIGNS: [&str; 8] = [
        "error",
        "api error",
        "api call failed",
        "request failed",
        "exceeded retry limit",
        "unexpected status",
        "stream error",
        "retrying",
    ];
    let line = text.lines().rev().filter(|line| !line.trim().is_empty()).take(3).find(|line| {
        let line = line.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        SIGNS.iter().any(|sign| line.starts_with(sign))
    })?;
    let clues = Clues { status: None, reset: None, words: line.to_lowercase() };
    Some(clues.outcome().unwrap_or(Outcome::Failed))
}

/// An error in the words of the agent: several say nothing but `Internal error`, and the rest beside it.
pub(crate) fn in_words(message: &str, data: Option<&Value>) -> String {
    let field = |data: &Value| {
        ["message", "details"].iter().find_map(|name| data.get(name)?.as_str().map(str::to_owned))
    };
    match data.and_then(|data| data.as_str().map(str::to_owned).or_else(|| field(data))) {
        Some(more) if !message.contains(&more) => format!("{message}: {more}"),
        _ => message.to_owned(),
    }
}

struct Clues {
    status: Option<u16>,
    reset: Option<Reset>,
    words: String,
}

impl Clues {
    fn collect(&mut self, data: &Value, depth: usize) {
        match data {
            Value::String(text) => {
                self.words.push('\n');
                self.words.push_str(&text.to_lowercase());
            }
            Value::Array(items) if depth > 0 => {
                items.iter().for_each(|item| self.collect(item, depth - 1));
            }
            Value::Object(fields) if depth > 0 => {
                for (name, value) in fields {
                    self.note(&name.to_lowercase().replace(['_', '-'], ""), value);
                    self.collect(value, depth - 1);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {}
        }
    }

    fn note(&mut self, name: &str, value: &Value) {
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let Some(number) = number else { return };
        match name {
            "status" | "statuscode" | "httpstatus" | "httpstatuscode" | "code" => {
                self.status = self.status.or_else(|| status(i64::try_from(number).ok()?));
            }
            "retryafter" | "retryafterseconds" => self.reset = Some(Reset::In(Duration::from_secs(number))),
            "retryafterms" => self.reset = Some(Reset::In(Duration::from_millis(number))),
            "resetsat" | "resetat" | "reset" => self.reset = at(number).or(self.reset),
            _ => {}
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        let says = |words: &[&str]| words.iter().any(|word| self.words.contains(word));
        let limited = Outcome::RateLimited(self.reset.or_else(|| spoken_reset(&self.words)));
        if says(&[
            "context length",
            "context window",
            "prompt is too long",
            "maximum context",
            "context_length",
        ]) {
            return Some(Outcome::ContextOverflow);
        }
        match self.status {
            Some(401 | 403) => return Some(Outcome::AuthNeeded),
            Some(429) => return Some(limited),
            Some(413) => return Some(Outcome::ContextOverflow),
            Some(500..=599) => return Some(Outcome::Overloaded),
            Some(_) | None => {}
        }
        if says(&[
            "rate limit",
            "rate_limit",
            "ratelimit",
            "429",
            "too many requests",
            "quota",
            "usage limit",
        ]) {
            Some(limited)
        } else if says(&["401", "unauthorized", "authentication", "api key", "api_key", "not logged in"]) {
            Some(Outcome::AuthNeeded)
        } else if says(&[
            "overloaded",
            "529",
            "503",
            "status 500",
            "at capacity",
            "high demand",
            "server_error",
            "internal server error",
        ]) {
            Some(Outcome::Overloaded)
        } else {
            None
        }
    }
}

fn status(code: i64) -> Option<u16> {
    u16::try_from(code).ok().filter(|code| (400..600).contains(code))
}

/// A moment since the epoch, in seconds or milliseconds.
fn at(number: u64) -> Option<Reset> {
    let micros = match number {
        0..1_000_000_000 => return Some(Reset::In(Duration::from_secs(number))),
        1_000_000_000..100_000_000_000 => number.checked_mul(1_000_000)?,
        _ => number.checked_mul(1_000)?,
    };
    Some(Reset::At(Timestamp::from_micros(micros)))
}

/// The time in `try again in 20s`, `retry after 30 seconds`, `resets in 2h`.
fn spoken_reset(words: &str) -> Option<Reset> {
    let rest = ["again in ", "retry after ", "resets in ", "retry in "]
        .iter()
        .find_map(|lead| words.split_once(lead).map(|(_, rest)| rest))?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = rest.split_at(end);
    let number: f64 = number.trim_end_matches('.').parse().ok()?;
    let unit = unit.trim_start();
    let seconds = if unit.starts_with("ms") || unit.starts_with("milli") {
        number / 1_000.0
    } else if unit.starts_with('s') {
        number
    } else if unit.starts_with('m') {
        number * 60.0
    } else if unit.starts_with('h') {
        number * 3_600.0
    } else {
        return None;
    };
    Duration::try_from_secs_f64(seconds).ok().map(Reset::In)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const fn limited(seconds: u64) -> Outcome {
        Outcome::RateLimited(Some(Reset::In(Duration::from_secs(seconds))))
    }

    #[test]
    fn errors_of_real_agents_are_told_apart() {
        let table = [
            (-32000, "Authentication required", None, Outcome::AuthNeeded),
            (
                401,
                "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\"}}",
                None,
                Outcome::AuthNeeded,
            ),
            (-31002, "Unauthorized", None, Outcome::AuthNeeded),
            (
                -32603,
                "Internal error",
                Some(
                    json!({"message": "unexpected status 401 Unauthorized: mock", "codex_error_info": "other"}),
                ),
                Outcome::AuthNeeded,
            ),
            (-32603, "Internal error", Some(json!({"errorKind": "rate_limit"})), Outcome::RateLimited(None)),
            (
                -32603,
                "Internal error",
                Some(
                    json!({"codex_error_info": {"response_too_many_failed_attempts": {"http_status_code": 429}}}),
                ),
                Outcome::RateLimited(None),
            ),
            (429, "quota", Some(json!({"retryAfter": 20})), limited(20)),
            (-32603, "Rate limit reached. Please try again in 1.5m.", None, limited(90)),
            (
                -32603,
                "usage limit reached",
                Some(json!({"resets_at": 1_790_000_000})),
                Outcome::RateLimited(Some(Reset::At(Timestamp::from_micros(1_790_000_000_000_000)))),
            ),
            (
                -32603,
                "Internal error: API Error: Repeated 529 Overloaded errors.",
                Some(json!({"errorKind": "server_error"})),
                Outcome::Overloaded,
            ),
            (
                -32603,
                "Internal error",
                Some(json!({"codex_error_info": "internal_server_error"})),
                Outcome::Overloaded,
            ),
            (
                -32603,
                "Internal error",
                Some(json!({"message": "We're currently experiencing high demand"})),
                Outcome::Overloaded,
            ),
            (-32603, "prompt is too long: 210000 tokens > 200000 maximum", None, Outcome::ContextOverflow),
            (-32603, "'NoneType' object has no attribute 'startswith'", None, Outcome::Failed),
            (-32602, "Session not found: no-such-session", None, Outcome::Failed),
        ];
        for (code, message, data, expected) in table {
            assert_eq!(of_error(code, message, data.as_ref()), expected, "{code} {message} {data:?}");
        }
    }

    #[test]
    fn an_error_is_told_with_its_details() {
        let details = json!({"message": "last status: 429"});
        assert_eq!(in_words("Internal error", Some(&details)), "Internal error: last status: 429");
        assert_eq!(in_words("Internal error", Some(&json!("why"))), "Internal error: why");
        assert_eq!(in_words("I say why", Some(&json!("why"))), "I say why");
        assert_eq!(in_words("Internal error", Some(&json!([1]))), "Internal error");
    }

    #[test]
    fn an_error_may_be_told_as_text() {
        let codex =
            "Model metadata for `m` not found.\n\nexceeded retry limit, last status: 429 Too Many Requests";
        assert_eq!(of_words(codex), Some(Outcome::RateLimited(None)));
        assert_eq!(of_words("Error: 401 Unauthorized"), Some(Outcome::AuthNeeded));
        assert_eq!(of_words("Retrying (3/3) ..."), Some(Outcome::Failed));
        assert_eq!(of_words("I would answer 429 Too Many Requests there."), None);
        assert_eq!(of_words(""), None);
    }

    #[test]
    fn a_deep_or_odd_error_is_no_danger() {
        let mut deep = json!("429");
        for _ in 0..100 {
            deep = json!([deep]);
        }
        assert_eq!(of_error(-32603, "x", Some(&deep)), Outcome::Failed);
        let odd = json!({"retryAfter": u64::MAX, "status": -1, "reset": "soon"});
        assert!(matches!(of_error(429, "", Some(&odd)), Outcome::RateLimited(Some(_))));
        assert_eq!(spoken_reset("try again in 9999999999999999999999999h"), None);
    }
}
