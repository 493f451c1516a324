//! When a limit of a model's host is lifted, as its answer says.

use std::time::Duration;

use hyper::HeaderMap;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;
use striatum_core::{time::Timestamp, transport::Reset};

/// The kinds of limits that hosts tell of in a header each.
const KINDS: [&str; 5] = ["requests", "tokens", "input-tokens", "output-tokens", "unified"];

/// When a request may be repeated: by the header that says so, else by what the body says, else when the last limit that is used up
/// is lifted.
pub(super) fn reset(headers: &HeaderMap, body: &[u8]) -> Option<Reset> {
    retry_after(headers).or_else(|| spoken(&serde_json::from_slice(body).ok()?)).or_else(|| lifted(headers))
}

fn retry_after(headers: &HeaderMap) -> Option<Reset> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(|text| text.parse().ok()) {
        return duration(milliseconds, 0.001);
    }
    let after = text("retry-after")?;
    after.parse().ok().and_then(|seconds| duration(seconds, 1.0)).or_else(|| moment(after))
}

/// The latest end of a limit of which nothing remains; of all, if that is not told.
fn lifted(headers: &HeaderMap) -> Option<Reset> {
    let text = |name: String| headers.get(name)?.to_str().ok().map(str::trim);
    let mut all = Vec::new();
    for kind in KINDS {
        let names = [
            (format!("anthropic-ratelimit-{kind}-reset"), format!("anthropic-ratelimit-{kind}-remaining")),
            (format!("x-ratelimit-reset-{kind}"), format!("x-ratelimit-remaining-{kind}")),
        ];
        for (reset, remaining) in names {
            let Some(reset) = text(reset).and_then(|text| moment(text).or_else(|| span(text))) else {
                continue;
            };
            all.push((text(remaining) == Some("0"), reset));
        }
    }
    let is_told = all.iter().any(|(is_used_up, _)| *is_used_up);
    all.retain(|(is_used_up, _)| *is_used_up || !is_told);
    // A host tells all of them in one form.
    all.into_iter().map(|(_, reset)| reset).max_by_key(|reset| match reset {
        Reset::In(time) => time.as_micros(),
        Reset::At(at) => u128::from(at.as_micros()),
    })
}

/// What stands in the error itself.
fn spoken(body: &Value) -> Option<Reset> {
    let error = match body {
        Value::Array(errors) => errors.first()?.get("error")?,
        _ => body.get("error")?,
    };
    let number = |name| error.get(name).and_then(Value::as_f64);
    if let Some(seconds) = number("resets_in_seconds") {
        return duration(seconds, 1.0);
    }
    if let Some(at) = error.get("resets_at").and_then(Value::as_u64) {
        return at.checked_mul(1_000_000).map(|micros| Reset::At(Timestamp::from_micros(micros)));
    }
    let details = error.get("details")?.as_array()?;
    details.iter().find_map(|detail| span(detail.get("retryDelay")?.as_str()?))
}

/// A moment: seconds since the epoch, RFC 3339, or as HTTP writes dates.
fn moment(text: &str) -> Option<Reset> {
    static HTTP: DateTimeParser = DateTimeParser::new();
    let at = match text.parse::<i64>() {
        Ok(seconds) if seconds > 1_000_000_000 => jiff::Timestamp::from_second(seconds).ok()?,
        Ok(_) => return None,
        Err(_) => text.parse().or_else(|_| HTTP.parse_timestamp(text)).ok()?,
    };
    Some(Reset::At(Timestamp::from_micros(u64::try_from(at.as_microsecond()).ok()?)))
}

/// A time such as `1s`, `6m0s`, `20ms`, `1h2m3.5s`.
fn span(text: &str) -> Option<Reset> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let number: f64 = number.parse().ok()?;
        let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)];
        let (unit, seconds) = units.into_iter().find(|(unit, _)| after.starts_with(unit))?;
        total += number * seconds;
        rest = after.strip_prefix(unit)?;
    }
    (!text.is_empty()).then(|| duration(total, 1.0))?
}

fn duration(number: f64, seconds: f64) -> Option<Reset> {
    Duration::try_from_secs_f64(number * seconds).ok().map(Reset::In)
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn told(headers: &[(&'static str, &'static str)], body: &str) -> Option<Reset> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        reset(&headers.collect(), body.as_bytes())
    }

    const fn after(milliseconds: u64) -> Option<Reset> {
        Some(Reset::In(Duration::from_millis(milliseconds)))
    }

    const fn at(seconds: u64) -> Option<Reset> {
        Some(Reset::At(Timestamp::from_micros(seconds * 1_000_000)))
    }

    #[test]
    fn every_form_of_a_reset_is_understood() {
        assert_eq!(told(&[("retry-after", "20")], ""), after(20_000));
        assert_eq!(told(&[("retry-after", "1.5")], ""), after(1_500));
        assert_eq!(told(&[("retry-after", "20"), ("retry-after-ms", "250")], ""), after(250));
        assert_eq!(told(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], ""), at(784_111_777));
        let anthropic = [
            ("anthropic-ratelimit-requests-reset", "2026-11-21T10:00:00Z"),
            ("anthropic-ratelimit-requests-remaining", "5"),
            ("anthropic-ratelimit-tokens-reset", "2026-11-21T09:00:00Z"),
            ("anthropic-ratelimit-tokens-remaining", "0"),
        ];
        assert_eq!(told(&anthropic, ""), at(1_795_251_600));
        assert_eq!(told(&[("anthropic-ratelimit-unified-reset", "1795251600")], ""), at(1_795_251_600));
        let openai = [("x-ratelimit-reset-requests", "120ms"), ("x-ratelimit-reset-tokens", "6m0.5s")];
        assert_eq!(told(&openai, ""), after(360_500));
        let subscription = "{\"error\":{\"type\":\"usage_limit_reached\",\"resets_at\":1795251600}}";
        assert_eq!(told(&[], subscription), at(1_795_251_600));
        assert_eq!(told(&[], "{\"error\":{\"resets_in_seconds\":90}}"), after(90_000));
        let google = "{\"error\":{\"code\":429,\"details\":[{\"@type\":\"x/QuotaFailure\"},{\"@type\":\"x/RetryInfo\",\"retryDelay\":\"34.5s\"}]}}";
        assert_eq!(told(&[], google), after(34_500));
        assert_eq!(told(&[], &format!("[{google}]")), after(34_500));
    }

    #[test]
    fn nonsense_is_no_reset() {
        for value in ["", "soon", "-5", "1e400", "99999999999999999999", "NaN", "5 parsecs", "1x", "."] {
            assert_eq!(
                told(&[("retry-after", value), ("x-ratelimit-reset-tokens", value)], value),
                None,
                "{value}"
            );
        }
        for body in [
            "[]",
            "{\"error\":5}",
            "{\"error\":{\"resets_at\":18446744073709551615,\"details\":{}}}",
            "{\"error\":{\"details\":[5]}}",
        ] {
            assert_eq!(told(&[], body), None, "{body}");
        }
    }
}
