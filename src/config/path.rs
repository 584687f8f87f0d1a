//! Paths of fields as they are configured: keys separated by dots. Other notations are refused, with the right spelling: as
//! a key that happens to begin with `$` they would never be found, in silence.

use super::mistake::Mistake;
use super::section::Section;
use crate::record::FieldPath;

const RULE: &str = "paths are keys separated by dots, such as `features.income`";

/// Why a path is refused.
#[derive(Debug)]
pub(super) struct PathRefusal {
    /// What is wrong with it, and how it is written.
    pub(super) message: String,
    /// What is allowed.
    pub(super) hint: Option<String>,
}

impl PathRefusal {
    /// The same as a mistake at a key of a file.
    pub(super) fn at(self, section: &Section<'_>, key: &str) -> Mistake {
        let mistake = section.mistake(key, self.message);
        match self.hint {
            Some(hint) => mistake.hint(hint),
            None => mistake,
        }
    }
}

/// Reads a configured path.
pub(super) fn configured(text: &str) -> Result<FieldPath, PathRefusal> {
    let Some((notation, keys)) = foreign(text) else {
        return FieldPath::parse(text).map_err(|error| PathRefusal { message: error.to_string(), hint: None });
    };
    let literal = escaped(text);
    let mut hint = format!("{RULE}; a key that is really called so is written `{literal}`");
    let message = match keys {
        Some(keys) if !keys.is_empty() => format!("`{text}` is {notation}; write `{}`", FieldPath::of_steps(keys)),
        Some(_) => format!("`{text}` is {notation} and names no field"),
        None => {
            hint += "; an array of numbers is read as a whole, with `type = \"embedding\"`";
            format!("`{text}` is {notation} and leads into an array, whose elements cannot be read one by one")
        }
    };
    Err(PathRefusal { message, hint: Some(hint) })
}

/// The notation and the keys, when a text is a path in another notation; no keys when it leads into an array.
fn foreign(text: &str) -> Option<(&'static str, Option<Vec<String>>)> {
    let plain = without_escapes(text);
    let starts = |with: &str| plain.starts_with(with);
    if starts("$.") || starts("$[") || plain == "$" {
        Some(("JSONPath", keys(text.get(1..).unwrap_or_default())))
    } else if starts("/") {
        Some(("a JSON pointer", pointer(text)))
    } else if plain.contains("->") {
        Some(("an operator of SQL", keys(&text.replace("->>", ".").replace("->", "."))))
    } else if starts(".") {
        Some(("the notation of jq", keys(text)))
    } else if plain.contains('[') {
        Some(("written with brackets", keys(text)))
    } else if plain.split('.').any(|step| step == "*") {
        Some(("written with a wildcard", None))
    } else {
        None
    }
}

/// The text with every escaped character replaced by a letter that means nothing.
fn without_escapes(text: &str) -> String {
    let mut letters = text.chars();
    let mut plain = String::new();
    while let Some(letter) = letters.next() {
        if letter == '\\' {
            letters.next();
            plain.push('_');
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// Keys separated by dots, in brackets or quotes; `None` when one is a number or a wildcard in brackets.
fn keys(text: &str) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (inside, after) = inside.split_once(']')?;
            keys.push(quoted(inside.trim())?.to_owned());
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            if key == "*" {
                return None;
            }
            keys.push(quoted(key).unwrap_or(key).to_owned());
            rest = after;
        }
    }
    Some(keys)
}

fn quoted(text: &str) -> Option<&str> {
    ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
}

/// The keys of a JSON pointer (RFC 6901); a number may be the index of an element.
fn pointer(text: &str) -> Option<Vec<String>> {
    let steps = text.split('/').skip(1).filter(|step| !step.is_empty());
    let keys: Vec<String> = steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    let index = |key: &String| key.chars().all(|letter| letter.is_ascii_digit());
    if keys.iter().any(index) { None } else { Some(keys) }
}

/// The text as a key of that very name, the way it is written in a file.
fn escaped(text: &str) -> String {
    let mut written = String::new();
    for letter in text.chars() {
        if matches!(letter, '$' | '/' | '[' | ']' | '*' | '.' | '-' | '\\') {
            written.push('\\');
        }
        written.push(letter);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        configured(text).unwrap_err().message
    }

    #[test]
    fn other_notations_are_refused_with_the_right_spelling() {
        for (text, right) in [
            ("$.features.income", "features.income"),
            ("$['features']['income']", "features.income"),
            ("$[\"a.b\"]", "a\\.b"),
            ("/features/income", "features.income"),
            ("/a~1b/c", "a/b.c"),
            ("['features'].income", "features.income"),
            ("features['income']", "features.income"),
            (".features.income", "features.income"),
            ("features->income", "features.income"),
            ("features->>'income'", "features.income"),
        ] {
            let message = refused(text);
            assert!(message.ends_with(&format!("; write `{right}`")), "{text}: {message}");
        }
        for text in ["a[0]", "a[0].b", "a[*]", "$.a[*].b", "$.a.*", "/a/0", "a.*.b", "a[]", "a[?(@.b)]"] {
            let message = refused(text);
            assert!(message.contains("leads into an array"), "{text}: {message}");
        }
        assert!(refused("$").contains("names no field"));
        assert!(refused("/").contains("names no field"));
        assert!(refused("a..b").contains("separated by single dots"));
    }

    #[test]
    fn keys_with_such_characters_can_be_meant() {
        for text in ["$.a", "a[0]", "/a/b", "a->b", "['a']", ".a", "a.*"] {
            let path = configured(&escaped(text)).unwrap();
            assert_eq!(path.steps(), [text], "{text}");
        }
        // These are keys as they are.
        for text in ["$schema", "km/h", "a-b", "a.b", "x*y", "@timestamp", "a]"] {
            assert!(configured(text).is_ok(), "{text}");
        }
    }
}
