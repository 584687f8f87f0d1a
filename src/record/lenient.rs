//! The slow paths for JSON that is read otherwise than it is written.
//!
//! [`repaired`]: what programs write and readers refuse, so that it costs its value and not the message. Bare `NaN`, `Infinity`
//! and `-Infinity`, which Python's `json.dumps` writes by default, and numbers beyond 64-bit floats become strings that begin with
//! a NUL, which [`quoted`] tells from the words `NaN` and `Infinity` as somebody's text. An escape of half a surrogate pair, which
//! stands for no character (`"\ud800"`, as JavaScript and Python write text that was cut within one), becomes U+FFFD.
//!
//! [`with_digits`]: integers of more than 64 bits, of which a 64-bit float keeps 17 digits, become strings of that kind, too:
//! as categories they are told apart by all of their digits.

/// What a string was before it was quoted here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Quoted<'a> {
    /// A number that is none.
    NonFinite(f64),
    /// An integer of more than 64 bits.
    Digits(&'a str),
}

/// What stands behind a string that was written here; none of any other.
pub(super) fn quoted(text: &str) -> Option<Quoted<'_>> {
    match text.strip_prefix('\0')? {
        "NaN" => Some(Quoted::NonFinite(f64::NAN)),
        "Infinity" => Some(Quoted::NonFinite(f64::INFINITY)),
        "-Infinity" => Some(Quoted::NonFinite(f64::NEG_INFINITY)),
        digits => is_wide(digits.as_bytes()).then_some(Quoted::Digits(digits)),
    }
}

/// The text without what is named above. `None` when there is none of it, so the message is simply malformed.
pub(super) fn repaired(payload: &[u8]) -> Option<Vec<u8>> {
    rewritten(payload, copy_whole_characters, |word, output| match replacement(word) {
        Some(quoted) => {
            output.extend_from_slice(quoted);
            true
        }
        None => {
            output.extend_from_slice(word);
            false
        }
    })
}

/// The text with integers of more than 64 bits as strings. `None` when there is none of them.
pub(super) fn with_digits(payload: &[u8]) -> Option<Vec<u8>> {
    let copy = |string: &[u8], output: &mut Vec<u8>| {
        output.extend_from_slice(string);
        false
    };
    rewritten(payload, copy, |word, output| {
        let wide = is_wide(word);
        let (before, after): (&[u8], &[u8]) = if wide { (br#""\u0000"#, b"\"") } else { (b"", b"") };
        for part in [before, word, after] {
            output.extend_from_slice(part);
        }
        wide
    })
}

/// Copies a text with functions for string literals and for what is neither punctuation nor white space; each says whether
/// it changed something.
fn rewritten(
    payload: &[u8],
    string: impl Fn(&[u8], &mut Vec<u8>) -> bool,
    token: impl Fn(&[u8], &mut Vec<u8>) -> bool,
) -> Option<Vec<u8>> {
    let mut output = Vec::with_capacity(payload.len() + 16);
    let mut changed = false;
    let mut rest = payload;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'"' {
            let (literal, after) = rest.split_at(string_length(rest));
            changed |= string(literal, &mut output);
            rest = after;
            continue;
        }
        let length = rest.iter().take_while(|byte| is_token_byte(**byte)).count();
        if length == 0 {
            output.push(byte);
            rest = tail;
            continue;
        }
        let (word, after) = rest.split_at(length);
        changed |= token(word, &mut output);
        rest = after;
    }
    changed.then_some(output)
}

/// Whether a token is an integer beyond 64 bits that a 64-bit float can hold.
fn is_wide(word: &[u8]) -> bool {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    if digits.len() < 19 || digits.starts_with(b"0") || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let Ok(text) = std::str::from_utf8(word) else { return false };
    text.parse::<i64>().is_err() && text.parse::<u64>().is_err() && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// The escape that a text begins with, when it is that of a code unit: `\u00e9`.
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits = std::str::from_utf8(text.strip_prefix(b"\\u")?.get(..4)?).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

/// Copies a string literal with a replacement character for each half of a surrogate pair without its other half.
fn copy_whole_characters(literal: &[u8], output: &mut Vec<u8>) -> bool {
    const ESCAPE: usize = 6;
    let mut changed = false;
    let mut rest = literal;
    while let Some(&byte) = rest.first() {
        let length = match code_unit(rest) {
            Some(0xd800..=0xdbff) if matches!(rest.get(ESCAPE..).and_then(code_unit), Some(0xdc00..=0xdfff)) => {
                2 * ESCAPE
            }
            Some(0xd800..=0xdfff) => {
                output.extend_from_slice(br"\ufffd");
                changed = true;
                rest = rest.get(ESCAPE..).unwrap_or_default();
                continue;
            }
            _ if byte == b'\\' => 2,
            _ => 1,
        };
        let (copied, after) = rest.split_at(length.min(rest.len()));
        output.extend_from_slice(copied);
        rest = after;
    }
    changed
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

const NAN: &[u8] = br#""\u0000NaN""#;
const INFINITY: &[u8] = br#""\u0000Infinity""#;
const NEGATIVE_INFINITY: &[u8] = br#""\u0000-Infinity""#;

fn replacement(word: &[u8]) -> Option<&'static [u8]> {
    match word {
        b"NaN" | b"nan" | b"-NaN" | b"-nan" => Some(NAN),
        b"Infinity" | b"inf" | b"Inf" => Some(INFINITY),
        b"-Infinity" | b"-inf" | b"-Inf" => Some(NEGATIVE_INFINITY),
        _ => {
            let first = word.strip_prefix(b"-").unwrap_or(word).first()?;
            if !first.is_ascii_digit() {
                return None;
            }
            let value: f64 = std::str::from_utf8(word).ok()?.parse().ok()?;
            if value == f64::INFINITY {
                Some(INFINITY)
            } else if value == f64::NEG_INFINITY {
                Some(NEGATIVE_INFINITY)
            } else {
                None
            }
        }
    }
}

/// Bytes of the string literal that `text` starts with, both quotes included; all of it when unterminated.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    for (index, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Option<Vec<u8>>) -> Option<String> {
        bytes.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn quotes_bare_tokens_and_leaves_strings_alone() {
        assert_eq!(
            text(repaired(br#"{"a":NaN,"NaN":[-Infinity, 1e999],"s":"x\"NaN"}"#)).unwrap(),
            r#"{"a":"\u0000NaN","NaN":["\u0000-Infinity", "\u0000Infinity"],"s":"x\"NaN"}"#
        );
        assert_eq!(quoted("\0-Infinity"), Some(Quoted::NonFinite(f64::NEG_INFINITY)));
        assert_eq!(quoted("NaN"), None);
    }

    #[test]
    fn says_when_there_is_nothing_to_rewrite() {
        for payload in [r#"{"a":1e3,"b":nul}"#, "\"unterminated NaN", "", r#"{"a":"\ud83d\ude00","b":"\\ud800"}"#]
        {
            assert_eq!(text(repaired(payload.as_bytes())), None, "{payload}");
        }
        assert_eq!(
            text(with_digits(
                br#"{"a":18446744073709551615,"b":1e30,"c":123456789012345678901.0,"d":"99999999999999999999"}"#
            )),
            None
        );
    }

    #[test]
    fn half_a_surrogate_pair_is_a_replacement_character() {
        for (payload, expected) in [
            (r#""\ud800""#, r#""\ufffd""#),
            (r#""a\uDC00b""#, r#""a\ufffdb""#),
            (r#""\ud800\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83d\n\ude00""#, r#""\ufffd\n\ufffd""#),
            (r#""\\\ud800""#, r#""\\\ufffd""#),
            (r#"{"k\udfff":1}"#, r#"{"k\ufffd":1}"#),
            // Cut off within the escape: no JSON, and still none.
            (r#"{"a":NaN,"b":"\ud8"#, r#"{"a":"\u0000NaN","b":"\ud8"#),
        ] {
            assert_eq!(text(repaired(payload.as_bytes())).as_deref(), Some(expected), "{payload}");
        }
    }

    #[test]
    fn integers_of_more_than_64_bits_keep_their_digits() {
        assert_eq!(
            text(with_digits(br"[18446744073709551616,-9223372036854775809,7]")).unwrap(),
            r#"["\u000018446744073709551616","\u0000-9223372036854775809",7]"#
        );
        assert_eq!(quoted("\u{0}18446744073709551616"), Some(Quoted::Digits("18446744073709551616")));
        // Somebody's text that begins with a NUL.
        for other in ["\u{0}", "\u{0}12", "\u{0}x", "\u{0}18446744073709551616x"] {
            assert_eq!(quoted(other), None, "{other:?}");
        }
    }
}
