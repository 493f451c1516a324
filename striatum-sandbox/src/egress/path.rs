//! Paths of requests, and what they may lead to.

/// A path prefix of a rule, which ends at a boundary between segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prefix(String);

impl Prefix {
    /// Reads a prefix such as `/me/thing`. A final slash says nothing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_plain = text.starts_with('/')
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'))
            && is_straight(text);
        is_plain.then(|| Self(text.trim_end_matches('/').to_owned()))
    }

    /// Whether a path is this or lies below it, in the very spelling of the rule.
    pub(super) fn holds(&self, path: &str) -> bool {
        path.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub(super) fn as_str(&self) -> &str {
        if self.0.is_empty() { "/" } else { &self.0 }
    }
}

/// How often a path is decoded in search of a way up. A server decodes once, a careless pair of servers twice.
const DECODINGS: usize = 3;

/// Whether a path leads nowhere but down, whoever decodes it, how often, and whatever he takes for a separator.
pub(super) fn is_straight(path: &str) -> bool {
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..DECODINGS {
        let is_segment_up = |segment: &[u8]| {
            // Some servers cut parameters off a segment before they look at it.
            let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
            name == b"." || name == b".."
        };
        let mut segments = bytes.split(|byte| matches!(byte, b'/' | b'\\'));
        if segments.any(is_segment_up) || bytes.iter().any(|byte| byte.is_ascii_control()) {
            return false;
        }
        let decoded = super::encoding::percent_decoded(&bytes).bytes;
        if decoded == bytes {
            return true;
        }
        bytes = decoded;
    }
    // Encoded once more than anybody decodes: nobody means it well.
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_between_segments() {
        let prefix = Prefix::parse("/me/thing").expect("a prefix");
        assert!(
            prefix.holds("/me/thing") && prefix.holds("/me/thing/info/refs") && prefix.holds("/me/thing/")
        );
        for other in ["/me/thing.git", "/me/things", "/me", "/", "/me%2fthing", "/ME/thing", "//me/thing"] {
            assert!(!prefix.holds(other), "{other}");
        }
        let root = Prefix::parse("/").expect("a prefix");
        assert!(root.holds("/") && root.holds("/anything"));
        for odd in ["", "me", "/a?b", "/a#b", "/a b", "/a/../b", "/%2e%2e/"] {
            assert_eq!(Prefix::parse(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn whatever_leads_up_is_found() {
        for straight in ["/", "/a/b", "/@types%2fnode", "/a/...", "/a..b", "/a;v=1/b", "/%e4"] {
            assert!(is_straight(straight), "{straight}");
        }
        for crooked in [
            "/a/../b",
            "/a/..",
            "/a/./b",
            "/%2e%2e/b",
            "/a/%2E./b",
            "/a%2f..%2fb",
            "/a/..%5cb",
            "/a\\..\\b",
            "/%252e%252e/b",
            "/a/..;/b",
            "/a/..;x=1/b",
            "/a%00b",
            "/%25252525252e",
        ] {
            assert!(!is_straight(crooked), "{crooked}");
        }
    }
}
