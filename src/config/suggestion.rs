//! What was probably meant by a word that is not allowed: the nearest of those that are.

use super::problem::Problem;

/// Adds the nearest allowed word as a hint, or all of them when they are few.
pub(super) fn suggest(problem: Problem, found: &str, allowed: &[&str]) -> Problem {
    let nearest = allowed
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(found, candidate), candidate))
        // Misspelt, or with another ending: `category` for `categorical`.
        .filter(|(distance, candidate)| {
            *distance <= 1 + candidate.len() / 4 || strsim::jaro_winkler(found, candidate) > 0.9
        })
        .min();
    match nearest {
        Some((_, candidate)) => problem.hint(format!("did you mean `{candidate}`?")),
        None if problem.message.contains("one of") || allowed.is_empty() => problem,
        None => problem.hint(format!("known here: {}", list(allowed))),
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
