//! What an alert rests on: the columns that moved since its episode began, each as in its worst window and as in the last
//! one, and the first, the worst and the last window. A fold over windows, so that an alert never shows less than it was.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{AlertRule, Calm, ColumnOnset, RuleKind, is_default};
use crate::judge::why::Reason;
use crate::judge::{ColumnJudgement, Finding, Judgement, Movement, RECORDS, Verdict, leading};
use crate::measure::{Measure, Score};
use crate::record::{EventTime, Timestamp};
use crate::reference::NaturalVariation;
use crate::window::OffsetRanges;

/// A window, as evidence names it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WindowEvidence {
    /// Its id, by which pages, the API and `driftd explain` show it; none in a replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Its start.
    pub start: Timestamp,
    /// Its end (exclusive).
    pub end: Timestamp,
    /// Records counted.
    pub records: u64,
    /// Records that came too late to be counted, so far.
    pub late_records: u64,
    /// Whether every partition had passed its end.
    pub complete: bool,
    /// How often it was judged again with late records.
    #[serde(default, skip_serializing_if = "is_default")]
    pub revision: u32,
    /// Topic, partition, first offset, offset past the last: what the window is made of.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub offsets: OffsetRanges,
}

/// Which window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WindowRef {
    /// Its id; none in a replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Its start.
    pub start: Timestamp,
    /// Its end (exclusive).
    pub end: Timestamp,
}

impl WindowEvidence {
    /// Which window it is.
    #[must_use]
    pub fn reference(&self) -> WindowRef {
        WindowRef { id: self.id, start: self.start, end: self.end }
    }
}

/// How a measure of a column stood in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ColumnScore {
    /// The column.
    pub column: String,
    /// The verdict on the measure.
    pub verdict: Verdict,
    /// The measure.
    #[schema(value_type = String)]
    pub measure: Measure,
    /// Its effect; none when it had no value.
    pub effect: Option<f64>,
    /// The effect as a multiple of the limit of drift.
    pub strength: f64,
}

impl ColumnScore {
    fn of(column: &str, finding: &Finding) -> Self {
        Self {
            column: column.to_owned(),
            verdict: finding.verdict,
            measure: finding.measure,
            effect: finding.score.map(|score| score.effect),
            strength: finding.strength(),
        }
    }
}

/// One of the windows of an episode that are remembered, and what it rested on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EpisodeWindow {
    /// Its id; none in a replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Its start.
    pub start: Timestamp,
    /// Its end (exclusive).
    pub end: Timestamp,
    /// Records counted.
    pub records: u64,
    /// The largest effect in it, as a multiple of the limit of drift.
    pub strength: f64,
    /// Columns that drifted in it.
    pub drifted: usize,
    /// Columns that warned in it.
    pub warned: usize,
    /// Those that moved most, at most five.
    pub columns: Vec<ColumnScore>,
}

/// Columns that a window of an episode names.
pub const SCORES: usize = 5;

/// A column that drifted or warned: as in its worst window of the episode, by the measure that says so most clearly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DriftedColumn {
    /// The column.
    pub column: String,
    /// Warn or critical.
    pub verdict: Verdict,
    /// The measure furthest beyond its limit.
    #[schema(value_type = String)]
    pub measure: Measure,
    /// Its effect.
    pub effect: f64,
    /// The limit it was held against for its verdict.
    pub threshold: f64,
    /// The effect as a multiple of the limit of drift, by which columns are ranked: drift has 1 or more.
    #[serde(default)]
    pub strength: f64,
    /// Before and after.
    pub movement: Movement,
    /// Why, in sentences, the most telling first; for the first columns of an alert.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// The window in which it was so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowRef>,
    /// How it stands in the last judged window of the episode, by the measure that says most there; none when the column
    /// was not compared there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<ColumnScore>,
    /// When it began to drift; none where that was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<ColumnOnset>,
    /// How often its slow drift went on to a further change during the episode.
    #[serde(default, skip_serializing_if = "is_default")]
    pub further: u32,
    /// Where to look at the column in that window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Columns of an alert that say why: those that moved most, and those that move most now.
pub const EXPLAINED_COLUMNS: usize = 3;

/// Sentences a column gives as its why.
const SENTENCES: usize = 3;

/// Columns of an alert that a message names at most: bodies stay small however wide a model is.
pub const MAX_COLUMNS: usize = 20;

impl DriftedColumn {
    fn of(column: &ColumnJudgement, finding: &Finding, score: Score, window: &WindowEvidence) -> Self {
        Self {
            column: column.column.clone(),
            verdict: finding.verdict,
            measure: finding.measure,
            effect: score.effect,
            // What is only shown has no limit, and makes no column drift.
            threshold: finding.limit().unwrap_or_default(),
            strength: finding.strength(),
            movement: column.movement.clone(),
            why: Vec::new(),
            window: Some(window.reference()),
            last: None,
            onset: None,
            further: 0,
            url: None,
        }
    }

    /// The rows of a window.
    fn of_rows(finding: &Finding, score: Score, window: &WindowEvidence) -> Self {
        let movement = Movement { records: Some((score.n_baseline, score.n_window)), ..Movement::default() };
        let rows = ColumnJudgement {
            column: RECORDS.to_owned(),
            verdict: finding.verdict,
            strength: finding.strength(),
            movement,
        };
        Self::of(&rows, finding, score, window)
    }

    /// Whether it is about the number of records, not about a column.
    #[must_use]
    pub fn is_rows(&self) -> bool {
        self.measure == Measure::RowCount
    }

    /// Whether it moves in the last judged window; what was stored without it did.
    #[must_use]
    pub fn moves_now(&self) -> bool {
        self.last.as_ref().is_none_or(|last| last.verdict.moved())
    }

    /// Most moved first.
    #[must_use]
    pub fn rank(left: &Self, right: &Self) -> Ordering {
        right.strength.total_cmp(&left.strength).then_with(|| left.column.cmp(&right.column))
    }
}

/// What an alert rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Evidence {
    /// What is wrong, one sentence.
    pub summary: String,
    /// What to do about it.
    pub advice: String,
    /// The worst window of the episode; none for operational alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowEvidence>,
    /// The baseline it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Records in the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_records: Option<u64>,
    /// What is known of how windows of the baseline differ by nature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub natural_variation: Option<NaturalVariation>,
    /// Columns judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<usize>,
    /// The columns that drifted in a window of the episode, most moved first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drifted: Vec<DriftedColumn>,
    /// The columns that warned in a window of the episode and drifted in none, most moved first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warned: Vec<DriftedColumn>,
    /// Drifted columns left out because there are too many.
    #[serde(default, skip_serializing_if = "is_default")]
    pub more: usize,
    /// Warned columns left out because there are too many.
    #[serde(default, skip_serializing_if = "is_default")]
    pub more_warned: usize,
    /// The first drifting window of the episode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<EpisodeWindow>,
    /// The drifting window in which a column moved most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<EpisodeWindow>,
    /// The last judged window of the episode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<EpisodeWindow>,
    /// That it has no drift just now, and what ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calm: Option<Calm>,
}

/// A judged window of an episode.
#[derive(Clone, Copy, Debug)]
pub struct JudgedWindow<'a> {
    pub start: EventTime,
    /// What is told of it.
    pub window: &'a WindowEvidence,
    /// What was decided about it.
    pub judgement: &'a Judgement,
    /// The rule of the episode.
    pub rule: &'a AlertRule,
    /// The column that the episode is about; none for one about the model.
    pub column: Option<&'a str>,
    /// Start of the episode.
    pub since: EventTime,
    /// Whether the window drifts by the rule.
    pub drifting: bool,
}

impl JudgedWindow<'_> {
    fn findings(&self, column: &str) -> impl Iterator<Item = &Finding> {
        let of = move |finding: &&Finding| finding.subject.name() == column && self.rule.covers(finding);
        self.judgement.findings.iter().filter(of)
    }

    /// How many further lasting changes of a column were found, beside the first one.
    fn further(&self, column: &str) -> u32 {
        let lasting = self.findings(column).filter_map(|finding| finding.change.as_ref()?.lasting.as_ref());
        lasting.map(|lasting| lasting.times.saturating_sub(1)).max().unwrap_or(0)
    }

    /// What moved in it, most moved first: each column by the measure furthest beyond its limit.
    fn moved(&self) -> Vec<DriftedColumn> {
        if self.rule.kind == RuleKind::Volume {
            let moved = self.judgement.rows().filter(|finding| finding.verdict.moved());
            let rows =
                moved.and_then(|finding| Some(DriftedColumn::of_rows(finding, finding.score?, self.window)));
            return rows.into_iter().collect();
        }
        let asked = |name: &str| self.column.is_none_or(|column| column == name);
        let columns = self.judgement.columns.iter().filter(|column| asked(&column.column));
        let strongest = |column: &ColumnJudgement| {
            let found = leading(self.findings(&column.column)).filter(|finding| finding.verdict.moved())?;
            Some(DriftedColumn::of(column, found, found.score?, self.window))
        };
        let mut moved: Vec<DriftedColumn> = columns.filter_map(strongest).collect();
        moved.sort_by(DriftedColumn::rank);
        moved
    }
}

impl Evidence {
    /// The columns that drifted and those that warned, most moved first.
    pub fn moved(&self) -> impl Iterator<Item = &DriftedColumn> {
        self.drifted.iter().chain(&self.warned)
    }

    /// How many columns drifted, and how many warned, those left out included.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.drifted.len() + self.more, self.warned.len() + self.more_warned)
    }

    /// How many changes there are to tell: columns that drifted, and further changes of theirs.
    #[must_use]
    pub fn changes(&self) -> usize {
        let further = self.drifted.iter().fold(0, |sum: u32, column| sum.saturating_add(column.further));
        self.counts().0.saturating_add(further as usize)
    }

    /// The columns that move in the last judged window: what other alerts are held against now.
    #[must_use]
    pub fn moving_columns(&self) -> Vec<String> {
        self.moved().filter(|column| column.moves_now()).map(|column| column.column.clone()).collect()
    }

    /// How many columns still do in the last window what is said of them: drift, or warn when none drifted.
    #[must_use]
    pub fn moving_now(&self) -> usize {
        if self.drifted.is_empty() {
            return self.warned.iter().filter(|column| column.moves_now()).count();
        }
        let drifts = |column: &&DriftedColumn| column.last.as_ref().is_none_or(|last| last.verdict.drifts());
        self.drifted.iter().filter(drifts).count()
    }

    /// The column that moves most in the last window, when the one that moved most at worst has calmed down: what is to be said
    /// beside that one.
    #[must_use]
    pub fn leading_now(&self) -> Option<&DriftedColumn> {
        let strength = |column: &DriftedColumn| column.last.as_ref().map_or(column.strength, |last| last.strength);
        let calm = self.moved().next().is_some_and(|first| !first.moves_now());
        let moving = self.moved().filter(|column| calm && column.moves_now());
        moving.max_by(|left, right| strength(left).total_cmp(&strength(right)))
    }

    /// Whether something is wrong in the last judged window; what rests on no columns is.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.moved().next().is_none() || self.moved().any(DriftedColumn::moves_now)
    }

    /// The effect of the column that moved most, as a multiple of the limit of drift; 0 without any.
    #[must_use]
    pub fn strength(&self) -> f64 {
        self.moved().map(|column| column.strength).fold(0.0, f64::max)
    }

    /// Forgets what a window said that is judged again: columns whose worst window it is, and what is remembered of it.
    pub fn forget(&mut self, window: &WindowRef) {
        let others = |column: &DriftedColumn| column.window.as_ref().is_none_or(|worst| worst.end != window.end);
        self.drifted.retain(others);
        self.warned.retain(others);
        for remembered in [&mut self.first, &mut self.worst] {
            *remembered = remembered.take().filter(|remembered| remembered.end != window.end);
        }
        if self.worst.is_none() {
            self.window = None;
        }
    }

    /// Takes in a judged window of the episode. `why` gives the reasons of a column in this window.
    pub fn take(&mut self, judged: JudgedWindow<'_>, why: impl Fn(&str) -> Vec<Reason>) {
        let now = judged.moved();
        let remembered = remembered(&judged, &now);
        let newest = self.last.as_ref().map(|last| *last.start);
        if newest.is_none_or(|newest| newest <= *judged.window.start) {
            self.last = Some(remembered.clone());
        }
        if judged.drifting && judged.start == judged.since {
            self.first = Some(remembered.clone());
        }
        // What was stored before windows were remembered has columns and no worst window.
        let worst = self.worst.as_ref().map_or_else(|| self.strength(), |worst| worst.strength);
        if judged.drifting && worst < remembered.strength {
            self.worst = Some(remembered);
            self.window = Some(judged.window.clone());
        }
        self.columns = (judged.rule.kind != RuleKind::Volume).then(|| {
            judged
                .judgement
                .columns
                .iter()
                // One that the baseline does not have was not compared.
                .filter(|column| judged.findings(&column.column).any(|finding| finding.verdict.is_judged()))
                .count()
        });
        let explained: Vec<String> =
            now.iter().take(EXPLAINED_COLUMNS).map(|column| column.column.clone()).collect();
        let mut columns = std::mem::take(&mut self.drifted);
        columns.append(&mut self.warned);
        for column in now {
            match columns.iter_mut().find(|known| known.column == column.column) {
                Some(known) if known.strength < column.strength => {
                    let (onset, further) = (known.onset.take(), known.further);
                    *known = DriftedColumn { onset, further, ..column };
                }
                Some(_) => {}
                None => columns.push(column),
            }
        }
        columns.sort_by(DriftedColumn::rank);
        let is_last = self.last.as_ref().is_some_and(|last| last.start == judged.window.start);
        let this = judged.window.reference();
        for (index, column) in columns.iter_mut().enumerate() {
            column.further = column.further.max(judged.further(&column.column));
            if is_last {
                column.last = leading(judged.findings(&column.column))
                    .map(|finding| ColumnScore::of(&column.column, finding));
            }
            let is_told = index < EXPLAINED_COLUMNS || explained.contains(&column.column);
            if is_told && column.why.is_empty() && column.window.as_ref() == Some(&this) {
                column.why = why(&column.column).into_iter().take(SENTENCES).map(|reason| reason.text).collect();
            }
        }
        (self.drifted, self.warned) = columns.into_iter().partition(|column| column.verdict.drifts());
    }

    /// Keeps as many columns as a message may name.
    pub(super) fn cut(&mut self) {
        let (drifted, warned) = self.counts();
        self.drifted.truncate(MAX_COLUMNS);
        self.warned.truncate(MAX_COLUMNS - self.drifted.len());
        self.more = drifted - self.drifted.len();
        self.more_warned = warned - self.warned.len();
    }
}

fn remembered(judged: &JudgedWindow<'_>, moved: &[DriftedColumn]) -> EpisodeWindow {
    let score = |column: &DriftedColumn| ColumnScore {
        column: column.column.clone(),
        verdict: column.verdict,
        measure: column.measure,
        effect: Some(column.effect),
        strength: column.strength,
    };
    let drifted = moved.iter().filter(|column| column.verdict.drifts()).count();
    let WindowRef { id, start, end } = judged.window.reference();
    EpisodeWindow {
        id,
        start,
        end,
        records: judged.window.records,
        strength: moved.first().map_or(0.0, |column| column.strength),
        drifted,
        warned: moved.len() - drifted,
        columns: moved.iter().take(SCORES).map(score).collect(),
    }
}
