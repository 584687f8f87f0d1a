//! Names in messages: the one that was probably meant, and those that there are.

/// The candidate that is most likely meant by a name that is not there: the same but for case and separators, the same
/// last step of a path, or nearly the same spelling. `None` when none is near.
#[must_use]
pub fn nearest<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let plain =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let last = |text: &str| plain(text.rsplit('.').next().unwrap_or(text));
    let (whole, end) = (plain(wanted), last(wanted));
    let mut others = candidates.filter(|candidate| *candidate != wanted);
    let same = others.clone().find(|candidate| plain(candidate) == whole);
    let same = same.or_else(|| others.clone().find(|candidate| !end.is_empty() && last(candidate) == end));
    let within = |candidate: &&str| whole.len() >= 3 && plain(candidate).ends_with(&whole);
    let same = same.or_else(|| others.clone().find(within));
    same.or_else(|| {
        let likeness = |candidate: &str| strsim::jaro_winkler(&whole, &plain(candidate));
        others
            .by_ref()
            .map(|candidate| (likeness(candidate), candidate))
            .max_by(|left, right| left.0.total_cmp(&right.0))
            .filter(|(likeness, _)| *likeness > 0.88)
            .map(|(_, candidate)| candidate)
    })
}

/// Of the words of a closed set the one that is meant by a misspelt one, or one with another ending (`category` for
/// `categorical`). `None` when none is near: a far word would only mislead.
#[must_use]
pub fn misspelt<'a>(found: &str, allowed: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    allowed
        .map(|word| (strsim::damerau_levenshtein(found, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4 || strsim::jaro_winkler(found, word) > 0.9)
        .min()
        .map(|(_, word)| word)
}

/// The first names, and how many more there are.
#[must_use]
pub fn listed(names: &[impl AsRef<str>], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_probably_meant_is_found() {
        let near = |wanted, names: &[&'static str]| nearest(wanted, names.iter().copied());
        assert_eq!(near("income", &["AGE", "INCOME"]), Some("INCOME"));
        assert_eq!(near("features.income", &["age", "income"]), Some("income"));
        assert_eq!(near("income", &["in.age", "in.income"]), Some("in.income"));
        assert_eq!(near("income", &["features_income", "x"]), Some("features_income"));
        assert_eq!(near("contry", &["country", "city"]), Some("country"));
        assert_eq!(near("income", &["age", "plan"]), None);
        assert_eq!(near("x", &[]), None);
    }

    #[test]
    fn names_beyond_the_first_are_counted() {
        assert_eq!(listed(&["a", "b", "c"], 2), "a, b and 1 more");
        assert_eq!(listed(&["a", "b"], 2), "a, b");
        assert_eq!(listed(&[""; 0], 2), "");
    }
}
