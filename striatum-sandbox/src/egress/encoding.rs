//! The encodings in which a text may travel in a request.

use base64::{
    Engine as _, engine::general_purpose::STANDARD_NO_PAD, engine::general_purpose::URL_SAFE_NO_PAD,
};

/// Bytes without their percent encoding, and where each came from.
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    /// For each byte, where it began in what was decoded.
    pub(super) origins: Vec<usize>,
}

/// Takes percent encoding away, once. What is no encoding stays as it is.
pub(super) fn percent_decoded(encoded: &[u8]) -> Decoded {
    let mut decoded =
        Decoded { bytes: Vec::with_capacity(encoded.len()), origins: Vec::with_capacity(encoded.len()) };
    let mut at = 0;
    while let Some(&byte) = encoded.get(at) {
        let pair = encoded.get(at + 1..at + 3).filter(|_| byte == b'%');
        let value = pair.and_then(|pair| Some(hex(pair[0])? << 4 | hex(pair[1])?));
        decoded.bytes.push(value.unwrap_or(byte));
        decoded.origins.push(at);
        at += if value.is_some() { 3 } else { 1 };
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The ways in which a text may stand within something: as it is, and what is left of it in the base64 of something that it is in
/// the midst of, at each of three alignments and in both alphabets.
pub(super) fn forms(text: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![text.to_vec()];
    for shift in 0..3 {
        let mut shifted = vec![0; shift];
        shifted.extend_from_slice(text);
        // The first characters depend on what stands before as well, the last on what stands after.
        let (first, end) = ((shift * 8).div_ceil(6), shifted.len() * 8 / 6);
        for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            let core = encoded.as_bytes().get(first..end).unwrap_or_default().to_vec();
            if !core.is_empty() && !forms.contains(&core) {
                forms.push(core);
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_text_is_found_in_base64_wherever_it_stands() {
        let forms = forms(b"striatum-placeholder-0123");
        for (before, after) in [("", ""), ("x:", ""), ("ab", ":y"), ("user:", "tail"), ("abcd", "?")] {
            let whole = STANDARD.encode(format!("{before}striatum-placeholder-0123{after}"));
            let is_in = |form: &Vec<u8>| whole.as_bytes().windows(form.len()).any(|window| window == form);
            assert!(forms.iter().any(is_in), "{before:?} {after:?}");
        }
    }

    #[test]
    fn percent_encoding_is_taken_away_once() {
        assert_eq!(percent_decoded(b"a%41%2g%252e%").bytes, b"aA%2g%2e%");
        assert_eq!(percent_decoded(b"%41b").origins, [0, 3]);
    }
}
