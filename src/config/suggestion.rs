//! What was probably meant by a word that is not allowed: the nearest of those that are.

use super::mistake::Mistake;
use crate::record::misspelt;

/// Adds the nearest allowed word as a hint, or all of them when they are few.
pub(super) fn suggest(mistake: Mistake, found: &str, allowed: &[&str]) -> Mistake {
    match misspelt(found, allowed.iter().copied()) {
        Some(candidate) => mistake.hint(format!("did you mean `{candidate}`?")),
        None if mistake.message.contains("one of") || allowed.is_empty() => mistake,
        None => mistake.hint(format!("known here: {}", list(allowed))),
    }
}

/// Words of a closed set, each named once.
pub(super) fn list(names: &[&str]) -> String {
    let mut unique: Vec<&str> = Vec::new();
    for name in names {
        if !unique.contains(name) {
            unique.push(name);
        }
    }
    unique.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
