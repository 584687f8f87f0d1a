//! Text that comes from data, where it could act instead of showing itself: in a log a line break forges an entry, a terminal
//! obeys control sequences, and characters without a shape of their own make one name look like another. Every log format, every
//! command, every mail and every page goes through this module.
//!
//! Such characters are written as Rust writes them: `\n`, `\r`, `\t`, `\u{1b}`. Nothing is dropped, so names that differ stay
//! different. A backslash stays as it is: what is shown is for people, not for parsers.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character acts instead of showing itself: controls (C0, DEL, C1), what turns the direction of text (marks,
/// embeddings, overrides, isolates), line and paragraph separators, and what takes no room: zero-width spaces, soft hyphens, tags.
///
/// The joiners U+200C and U+200D are not among them: Persian, Indic scripts and emoji are written with them.
/// [`plain`] shows them after ASCII, where they can only hide.
#[must_use]
pub fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// A joiner with nothing to join: after ASCII, or at the beginning.
fn hides(before: Option<char>, letter: char) -> bool {
    matches!(letter, '\u{200c}' | '\u{200d}') && before.is_none_or(|before| before.is_ascii())
}

fn rewritten(text: &str, keep: fn(char) -> bool, write: fn(&mut String, char)) -> Cow<'_, str> {
    let mut before = None;
    let mut shown: Option<String> = None;
    for (place, letter) in text.char_indices() {
        let hidden = (is_hidden(letter) && !keep(letter)) || hides(before, letter);
        before = Some(letter);
        match (&mut shown, hidden) {
            (None, false) => {}
            (None, true) => {
                let mut begun = text.get(..place).unwrap_or_default().to_owned();
                write(&mut begun, letter);
                shown = Some(begun);
            }
            (Some(shown), true) => write(shown, letter),
            (Some(shown), false) => shown.push(letter),
        }
    }
    shown.map_or(Cow::Borrowed(text), Cow::Owned)
}

fn as_rust(text: &mut String, letter: char) {
    match letter {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        // Writing to a String cannot fail.
        _ => {
            let _infallible = write!(text, "\\u{{{:x}}}", u32::from(letter));
        }
    }
}

fn as_json(text: &mut String, letter: char) {
    for unit in letter.encode_utf16(&mut [0; 2]) {
        let _infallible = write!(text, "\\u{unit:04x}");
    }
}

/// One line that shows all of a text: for names and values, wherever they are put.
#[must_use]
pub fn plain(text: &str) -> String {
    rewritten(text, |_| false, as_rust).into_owned()
}

/// The same for a text of several lines, whose parts from data are [`plain`] already: line ends stay.
#[must_use]
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    rewritten(text, |letter| letter == '\n', as_rust)
}

/// The same for JSON: in it such characters stand in texts alone, and there `\u202e` is the same character.
#[must_use]
pub fn plain_json(text: &str) -> Cow<'_, str> {
    rewritten(text, |letter| letter == '\n', as_json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown_and_nothing_else_is_touched() {
        for (text, shown) in [
            ("credit-score", "credit-score"),
            ("Größe ≥ 3 °C, 東京, 🚲", "Größe ≥ 3 °C, 東京, 🚲"),
            ("a\nb\r\nc\td", "a\\nb\\r\\nc\\td"),
            ("\u{1b}[2J\u{1b}]0;x\u{7}", "\\u{1b}[2J\\u{1b}]0;x\\u{7}"),
            ("\u{0}\u{7f}\u{85}\u{9b}31m", "\\u{0}\\u{7f}\\u{85}\\u{9b}31m"),
            (
                "\u{202e}abc\u{2066}d\u{2069}\u{200e}\u{200f}\u{61c}",
                "\\u{202e}abc\\u{2066}d\\u{2069}\\u{200e}\\u{200f}\\u{61c}",
            ),
            ("a\u{2028}b\u{2029}c\u{200b}\u{feff}\u{2060}", "a\\u{2028}b\\u{2029}c\\u{200b}\\u{feff}\\u{2060}"),
            ("a\u{e0041}", "a\\u{e0041}"),
            // Joiners hide after ASCII, and join elsewhere.
            ("credit\u{200d}-score", "credit\\u{200d}-score"),
            ("می\u{200c}روم 👩\u{200d}🚀", "می\u{200c}روم 👩\u{200d}🚀"),
            ("\u{200d}x", "\\u{200d}x"),
        ] {
            assert_eq!(plain(text), shown, "{text:?}");
        }
        assert_eq!(plain_lines("a\nb\u{1b}"), "a\nb\\u{1b}");
        assert_eq!(
            plain_json("{\n\"a\": \"\u{202e}\u{e0041}\u{9b}\"}"),
            "{\n\"a\": \"\\u202e\\udb40\\udc41\\u009b\"}"
        );
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({ "a\u{2028}": ["\u{9b}x\u{202e}", "\u{e0041}", "\u{1b}\n", "a\u{200d}b"] });
        let written = serde_json::to_string_pretty(&value).unwrap();
        let shown = plain_json(&written);
        assert!(!shown.chars().any(|letter| letter != '\n' && is_hidden(letter)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn every_character_is_either_shown_or_written_out() {
        for letter in '\0'..=char::MAX {
            let text = plain(&format!("é{letter}"));
            assert!(!text.chars().any(is_hidden), "{letter:?}");
            assert_eq!(text == format!("é{letter}"), !is_hidden(letter), "{letter:?}");
        }
    }
}
