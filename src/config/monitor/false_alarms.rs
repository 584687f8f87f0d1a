//! `judge.false_alarms`: a budget, or a probability per window.

use super::super::section::Section;
use crate::judge::FalseAlarms;
use crate::record::TimeSpan;

/// Chances per window that are accepted.
const CHANCES: std::ops::RangeInclusive<f64> = 1e-12..=0.5;

/// `false_alarms = "1 per 30d"`, or a probability per window, which earlier versions called `significance`.
pub(super) fn false_alarms(section: &Section<'_>) -> FalseAlarms {
    let per_window = section.float("significance", CHANCES);
    if section.has("false_alarms") && section.has("significance") {
        section.add(section.mistake("significance", "cannot be combined with `false_alarms`"));
    }
    let number = match section.value("false_alarms") {
        None => return per_window.map_or(FalseAlarms::DEFAULT, FalseAlarms::PerWindow),
        Some((toml::de::DeValue::String(text), _)) => {
            return budget(text).unwrap_or_else(|| {
                let mistake = section
                    .mistake("false_alarms", "must be a number of alerts per time, or a probability per window");
                section.add(mistake.hint("write \"1 per 30d\", or 0.001"));
                FalseAlarms::DEFAULT
            });
        }
        Some(_) => section.float("false_alarms", CHANCES),
    };
    number.map_or(FalseAlarms::DEFAULT, FalseAlarms::PerWindow)
}

/// `1 per 30d`, `0.5 per week`.
fn budget(text: &str) -> Option<FalseAlarms> {
    let (alarms, period) = text.split_once(" per ")?;
    let alarms = alarms.trim().parse::<f64>().ok().filter(|alarms| (1e-6..=1e4).contains(alarms))?;
    let period = match period.trim() {
        "day" => TimeSpan::days(1),
        "week" => TimeSpan::days(7),
        "month" => TimeSpan::days(30),
        "year" => TimeSpan::days(365),
        span => TimeSpan::parse(span)?,
    };
    let is_sensible = (TimeSpan::hours(1)..=TimeSpan::days(3_650)).contains(&period);
    is_sensible.then_some(FalseAlarms::Budget { alarms, period })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_number_per_time() {
        let of = |alarms, period| Some(FalseAlarms::Budget { alarms, period });
        assert_eq!(budget("1 per 30d"), of(1.0, TimeSpan::days(30)));
        assert_eq!(budget("0.5 per week"), of(0.5, TimeSpan::days(7)));
        assert_eq!(budget("2 per 12h"), of(2.0, TimeSpan::hours(12)));
        for wrong in
            ["1", "per 30d", "-1 per 30d", "NaN per day", "1 per", "1 per 0s", "1 per 100000d", "0 per day"]
        {
            assert_eq!(budget(wrong), None, "{wrong}");
        }
    }
}
