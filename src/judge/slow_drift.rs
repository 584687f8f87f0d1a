//! Slow drift: the lasting changes of the columns of a series, from all windows since its baseline.
//!
//! Windows are compared with a baseline that stays the same and has windows of its own, which say how much they vary. Beside another
//! reference nothing is followed, and there is no finding.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::change::what;
use super::why::{Cause, Reason};
use super::{ChangeDetail, ColumnRules, Finding, JudgeSpec, Judgement, LastingDetail, Subject, Verdict};
use crate::distribution::{Distribution, WindowCounts};
use crate::measure::{Measure, Score};
use crate::record::EventTime;
use crate::trend::{Direction, Followed, Lasting};
use crate::variation::{ChangeTest, FollowedColumn, Statistic, share_size};

/// Of the stored form.
const VERSION: u32 = 1;

/// Where the columns of one series stand after its last window. Belongs to one reference.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeriesTrend {
    version: u32,
    /// What windows are compared with.
    reference: String,
    /// The end of the last window that was counted.
    until: Option<EventTime>,
    columns: BTreeMap<String, Lasting>,
}

/// A window that is followed.
#[derive(Clone, Copy, Debug)]
pub struct FollowedWindow<'a> {
    pub from: EventTime,
    /// Exclusive.
    pub end: EventTime,
    pub counts: &'a WindowCounts,
    /// The reference, as it is called.
    pub reference: &'a str,
    /// Its counts.
    pub before: &'a WindowCounts,
    pub test: &'a ChangeTest,
    /// The strength of evidence that shows slow drift.
    pub needed: f64,
}

impl SeriesTrend {
    /// Counts a window, and gives the finding of each column that is followed. Windows that overlap with the last one that was counted, and
    /// those with too few records, are not counted; the findings are those of the windows before then.
    pub fn follow(&mut self, window: FollowedWindow<'_>, spec: &JudgeSpec) -> HashMap<String, Finding> {
        if self.version != VERSION || self.reference != window.reference {
            *self = Self {
                version: VERSION,
                reference: window.reference.to_owned(),
                until: None,
                columns: BTreeMap::new(),
            };
        }
        let is_new =
            self.until.is_none_or(|until| until <= window.from) && window.counts.rows() >= spec.min_records;
        if is_new {
            self.until = Some(window.end);
        }
        let asked = spec.columns.iter().filter(|rules| is_followed(rules));
        let mut findings = HashMap::new();
        let mut columns = BTreeMap::new();
        for rules in asked {
            let followed = window.test.followed(&rules.name);
            if followed.levels.is_empty() {
                continue;
            }
            let known = self.columns.remove(&rules.name).filter(|known| known.fits(&followed.levels));
            let mut lasting = known.unwrap_or_else(|| Lasting::new(&followed.levels));
            if let Some(column) = window.counts.column(&rules.name).filter(|_| is_new) {
                let readings = window.test.readings(&followed, column);
                lasting.observe(&followed.levels, window.number(), &readings, window.needed);
            }
            let before = window.before.column(&rules.name);
            if let Some(finding) = before.and_then(|before| finding(rules, &lasting, &followed, before, &window)) {
                findings.insert(rules.name.clone(), finding);
            }
            columns.insert(rules.name.clone(), lasting);
        }
        self.columns = columns;
        findings
    }
}

/// Whether slow drift of a column is asked for.
fn is_followed(rules: &ColumnRules) -> bool {
    rules.measures.iter().any(|rule| rule.measure == Measure::SlowDrift)
}

impl JudgeSpec {
    /// Columns whose slow drift is decided about.
    #[must_use]
    pub fn followed_columns(&self) -> usize {
        self.columns.iter().filter(|rules| is_followed(rules)).count()
    }
}

impl Judgement {
    /// The lasting change of a column, in words; none unless one was found.
    #[must_use]
    pub fn lasting(&self, column: &str) -> Option<Reason> {
        let of_column =
            |finding: &&Finding| finding.measure == Measure::SlowDrift && finding.subject.is_column(column);
        let finding = self.findings.iter().find(of_column).filter(|finding| finding.significant)?;
        let change = finding.change.as_ref()?;
        let text = format!("slow drift: {}", change.in_words(finding.measure));
        Some(Reason::new(Cause::SlowDrift, text))
    }
}

impl FollowedWindow<'_> {
    fn length(&self) -> i64 {
        self.end.micros().saturating_sub(self.from.micros()).max(1)
    }

    /// On the grid of windows of this length.
    fn number(&self) -> i64 {
        self.from.micros().div_euclid(self.length())
    }

    /// About the start of the window of a number.
    fn start_of(&self, number: i64) -> EventTime {
        let ago = self.number().saturating_sub(number).max(0);
        EventTime::from_micros(self.from.micros().saturating_sub(ago.saturating_mul(self.length())))
            .unwrap_or(self.from)
    }
}

/// A lasting change that was found, or the one that there is most evidence for.
struct Standing {
    statistic: usize,
    direction: Direction,
    strength: f64,
    level: f64,
    /// Windows behind the level.
    memory: f64,
    since: i64,
    times: u32,
}

fn standing(lasting: &Lasting, followed: &FollowedColumn, number: i64) -> Option<Standing> {
    let size = |standing: &Standing| {
        let level = followed.levels.get(standing.statistic).map(|followed| followed.level.mean);
        size_of(followed, standing.statistic, level.unwrap_or(standing.level), standing.level)
    };
    let found = lasting.found().iter().map(|found| Standing {
        statistic: found.statistic,
        direction: found.direction,
        strength: found.strength,
        level: found.level,
        memory: found.memory,
        since: found.since,
        times: found.times,
    });
    found.max_by(|left, right| size(left).total_cmp(&size(right))).or_else(|| {
        let evidence = lasting.evidence(&followed.levels)?;
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let earlier = (evidence.age.round() as i64).saturating_sub(1).max(0);
        Some(Standing {
            statistic: evidence.statistic,
            direction: evidence.direction,
            strength: evidence.strength,
            level: evidence.level,
            memory: evidence.age.max(1.0),
            since: number.saturating_sub(earlier),
            times: 0,
        })
    })
}

fn finding(
    rules: &ColumnRules,
    lasting: &Lasting,
    followed: &FollowedColumn,
    reference: &Distribution,
    window: &FollowedWindow<'_>,
) -> Option<Finding> {
    let rule = rules.measures.iter().find(|rule| rule.measure == Measure::SlowDrift)?;
    let standing = standing(lasting, followed, window.number())?;
    let statistic = *followed.statistics.get(standing.statistic)?;
    let Followed { level, .. } = followed.levels.get(standing.statistic)?;
    let effect = size_of(followed, standing.statistic, level.mean, standing.level);
    let unit = if is_share(statistic) { 1.0 } else { level.record_variance.sqrt() };
    let (before, after) = match statistic {
        Statistic::Location | Statistic::Spread => (0.0, (standing.level - level.mean) / unit),
        _ => (level.mean, standing.level),
    };
    let margin = 1.96 * level.error(standing.memory, level.weight()) / unit;
    if !(effect.is_finite() && after.is_finite() && margin.is_finite() && standing.strength.is_finite()) {
        return None;
    }
    let score = Score {
        statistic: after - before,
        p_value: Some((1.0 / standing.strength.max(1.0)).min(1.0)),
        effect,
        n_baseline: reference.present(),
        n_window: window.counts.rows(),
        bound: None,
    };
    let windows = window.number().saturating_sub(standing.since).max(0).saturating_add(1);
    let finding = Finding {
        subject: Subject::Column(rules.name.clone()),
        measure: Measure::SlowDrift,
        score: Some(score),
        limits: rule.limits,
        noise_floor: None,
        significant: standing.times > 0,
        verdict: Verdict::Ok,
        change: Some(ChangeDetail {
            of: match statistic {
                Statistic::Location => Some("location".to_owned()),
                Statistic::Spread => Some("spread".to_owned()),
                Statistic::Null => Some("null values".to_owned()),
                _ => what(statistic, None, reference),
            },
            before,
            after,
            margin,
            effective_size: level.window_records / level.dispersion.max(1.0),
            level: 1.0 / window.needed,
            detectable: None,
            lasting: Some(LastingDetail {
                since: window.start_of(standing.since).into(),
                windows: u32::try_from(windows).unwrap_or(u32::MAX),
                rises: standing.direction == Direction::Rise,
                is_share: is_share(statistic),
                times: standing.times,
            }),
        }),
    };
    Some(Finding { verdict: finding.verdict_with(1.0), ..finding })
}

fn is_share(statistic: Statistic) -> bool {
    !matches!(statistic, Statistic::Location | Statistic::Spread)
}

/// The size of a change on the common scale.
fn size_of(followed: &FollowedColumn, statistic: usize, before: f64, after: f64) -> f64 {
    let level = followed.levels.get(statistic).map(|followed| followed.level);
    match followed.statistics.get(statistic) {
        Some(statistic) if is_share(*statistic) => share_size(before.clamp(0.0, 1.0), after.clamp(0.0, 1.0)),
        _ => level.map_or(0.0, |level| (after - before).abs() / level.record_variance.sqrt()),
    }
}
