//! The slow path for JSON that Python writes and the standard forbids: bare `NaN`, `Infinity`,
//! `-Infinity`, and numbers beyond 64-bit floats.
//!
//! `json.dumps` writes the first three by default, so a single undefined feature would otherwise cost the
//! whole record. The text is rewritten with those tokens as strings that begin with a NUL, which [`non_finite`] tells from
//! the words `NaN` and `Infinity` as somebody's text.

/// The number behind a string that [`quote_non_finite`] wrote.
pub(super) fn non_finite(text: &str) -> Option<f64> {
    match text.strip_prefix('\0')? {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Quotes the tokens named above. `None` when there is none of them, so the message is simply malformed.
pub(super) fn quote_non_finite(payload: &[u8]) -> Option<Vec<u8>> {
    let mut output = Vec::with_capacity(payload.len() + 16);
    let mut changed = false;
    let mut rest = payload;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'"' {
            let length = string_length(rest);
            let (string, after) = rest.split_at(length);
            output.extend_from_slice(string);
            rest = after;
            continue;
        }
        let token = rest.iter().take_while(|byte| is_token_byte(**byte)).count();
        if token == 0 {
            output.push(byte);
            rest = tail;
            continue;
        }
        let (word, after) = rest.split_at(token);
        match replacement(word) {
            Some(quoted) => {
                output.extend_from_slice(quoted);
                changed = true;
            }
            None => output.extend_from_slice(word),
        }
        rest = after;
    }
    changed.then_some(output)
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

    fn rewritten(text: &str) -> Option<String> {
        quote_non_finite(text.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn quotes_bare_tokens_and_leaves_strings_alone() {
        assert_eq!(
            rewritten(r#"{"a":NaN,"NaN":[-Infinity, 1e999],"s":"x\"NaN"}"#).unwrap(),
            r#"{"a":"\u0000NaN","NaN":["\u0000-Infinity", "\u0000Infinity"],"s":"x\"NaN"}"#
        );
        assert_eq!(non_finite("\0-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(non_finite("NaN"), None);
    }

    #[test]
    fn says_when_there_is_nothing_to_rewrite() {
        assert_eq!(rewritten(r#"{"a":1e3,"b":nul}"#), None);
        assert_eq!(rewritten("\"unterminated NaN"), None);
        assert_eq!(rewritten(""), None);
    }
}
