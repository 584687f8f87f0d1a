//! The progress of a challenge over its pairs: counts per column, and the state that follows from them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ChallengeSpec, PairedColumn, PairedVerdict, log_evidence};
use crate::record::{listed, number_of};

/// The chance at most that [`log_evidence`] of any deciding column exceeds its limit during one series of trials, if both sides are
/// alike.
const FALSE_ALARM: f64 = 0.01;
/// The test begins anew after so many trials: a change is not outvoted by a long past.
const TRIALS: u32 = 240;
/// Evidence below which nothing points against the challenger (H. Jeffreys, Theory of Probability, appendix B: "not worth
/// more than a bare mention").
const BARE_MENTION: f64 = 3.0;
/// A challenger whose decisive columns differ in more than one of so many pairs is not ready.
const RARELY: u32 = 10;
/// Columns that a sentence names at most.
const NAMED: usize = 3;

/// State of a challenge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChallengeState {
    /// Too few pairs were compared to say anything.
    #[default]
    Collecting,
    /// Enough pairs without evidence against the challenger.
    Ready,
    /// The sides differ, and it is not known which of them is the worse one.
    Differs,
    /// The challenger is worse than the champion.
    Worse,
}

impl ChallengeState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Collecting, Self::Ready, Self::Differs, Self::Worse];

    /// The name used in tables, events and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Collecting => "collecting",
            Self::Ready => "ready",
            Self::Differs => "differs",
            Self::Worse => "worse",
        }
    }

    /// How the challenger stands to the champion, between their names in a sentence.
    #[must_use]
    pub fn relation(self) -> &'static str {
        match self {
            Self::Collecting => "is compared with",
            Self::Ready => "is as good as",
            Self::Differs => "differs from",
            Self::Worse => "is worse than",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// Counts of a column over the pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct ColumnProgress {
    /// Pairs in which both sides were the same.
    pub same: u32,
    /// Pairs in which they differed.
    pub differs: u32,
    /// Pairs in which the challenger was worse.
    pub challenger_worse: u32,
    /// Pairs in which the champion was worse.
    pub champion_worse: u32,
    /// Pairs in which they could not be compared.
    pub not_compared: u32,
    /// Pairs in a row up to the last one in which the challenger was worse.
    pub worse_in_a_row: u32,
    /// Pairs in a row up to the last one in which they differed, or the challenger was worse.
    pub apart_in_a_row: u32,
    /// Such pairs since the last evidence against the challenger.
    pub apart: u32,
    /// Trials of the running test: pairs in which one side was further from the reference.
    pub trials: u32,
    /// Trials in which that was the challenger.
    pub further: u32,
    /// Trials in which the difference was at or above the warn limit.
    pub material: u32,
}

/// One more where it applies; what is stored may hold any number.
fn increase(counter: &mut u32, applies: bool) {
    *counter = counter.saturating_add(u32::from(applies));
}

impl ColumnProgress {
    fn take(&mut self, column: &PairedColumn) {
        let is_worse = column.verdict == PairedVerdict::ChallengerWorse;
        let is_apart = is_worse || column.verdict == PairedVerdict::Differs;
        match column.verdict {
            PairedVerdict::Same => increase(&mut self.same, true),
            PairedVerdict::Differs => increase(&mut self.differs, true),
            PairedVerdict::ChallengerWorse => increase(&mut self.challenger_worse, true),
            PairedVerdict::ChampionWorse => increase(&mut self.champion_worse, true),
            PairedVerdict::NotEnoughData | PairedVerdict::NotComparable => {
                // Without a verdict: it does not end a row either.
                increase(&mut self.not_compared, true);
                return;
            }
        }
        self.worse_in_a_row = if is_worse { self.worse_in_a_row.saturating_add(1) } else { 0 };
        self.apart_in_a_row = if is_apart { self.apart_in_a_row.saturating_add(1) } else { 0 };
        increase(&mut self.apart, is_apart);
        if let Some(further) = column.further {
            if self.trials >= TRIALS {
                self.begin_test();
            }
            increase(&mut self.trials, true);
            increase(&mut self.further, further);
            increase(&mut self.material, column.material);
        }
    }

    fn begin_test(&mut self) {
        (self.trials, self.further, self.material) = (0, 0, 0);
    }

    /// Whether the difference is large enough to matter: in at least half of the trials it was at or above the warn limit.
    fn is_material(&self) -> bool {
        self.trials > 0 && self.material.saturating_mul(2) >= self.trials
    }

    /// Whether the evidence is at least so many times likelier than under chance, and matters.
    fn exceeds(&self, times: f64) -> bool {
        self.is_material() && log_evidence(self.further, self.trials) >= times.ln()
    }
}

/// Progress of a challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// State.
    pub state: ChallengeState,
    /// Pairs so far.
    pub pairs: u32,
    /// Those in which all deciding columns could be compared.
    pub compared: u32,
    /// Compared pairs since the last evidence against the challenger.
    pub quiet: u32,
    /// How often the state changed.
    pub changes: u32,
    /// The last evidence against the challenger, in words.
    pub evidence: String,
    /// Counts of each column.
    pub columns: BTreeMap<String, ColumnProgress>,
}

impl Progress {
    /// The progress after another pair.
    ///
    /// Evidence against the challenger is a deciding column that was worse in `in_a_row` pairs in a row, or whose evidence of being further
    /// from the reference exceeds the number of deciding columns divided by the false-alarm rate: the challenge is then
    /// worse, until `windows` pairs were compared without any. A column that differed in `in_a_row` pairs in a row, a feature
    /// among them, makes it differ. It is ready after `windows` compared pairs without either.
    #[must_use]
    pub fn step(&self, pair: &[PairedColumn], spec: &ChallengeSpec) -> Self {
        let mut next = self.clone();
        next.pairs = next.pairs.saturating_add(1);
        if !pair.is_empty() {
            next.columns.retain(|name, _| pair.iter().any(|column| column.column == *name));
        }
        for column in pair {
            next.columns.entry(column.column.clone()).or_default().take(column);
        }
        let deciding = || pair.iter().filter(|column| spec.columns.contains(&column.column));
        // A column that the monitor no longer has is not compared either.
        let all_there = deciding().count() == spec.columns.len() && !spec.columns.is_empty();
        if all_there && deciding().all(|column| column.verdict.is_compared()) {
            next.compared = next.compared.saturating_add(1);
            next.quiet = next.quiet.saturating_add(1);
        }
        let (worse, apart) = (next.worse(spec), next.apart(spec));
        next.state = if let Some(evidence) = worse {
            next.begin_anew(evidence);
            ChallengeState::Worse
        } else if self.state == ChallengeState::Worse && !next.is_quiet(spec) {
            ChallengeState::Worse
        } else if let Some(evidence) = apart {
            next.begin_anew(evidence);
            ChallengeState::Differs
        } else if next.is_quiet(spec) {
            ChallengeState::Ready
        } else {
            self.state
        };
        next.changes = next.changes.saturating_add(u32::from(next.state != self.state));
        next
    }

    fn of<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = (&'a str, &'a ColumnProgress)> {
        names.iter().filter_map(|name| Some((name.as_str(), self.columns.get(name)?)))
    }

    /// The evidence that the challenger is worse; none without.
    fn worse(&self, spec: &ChallengeSpec) -> Option<String> {
        let [champion, challenger] = [&spec.champion, &spec.challenger].map(|side| spec.in_words(side));
        let in_a_row: Vec<String> = self
            .of(&spec.columns)
            .filter(|(_, column)| column.worse_in_a_row >= spec.in_a_row)
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        if !in_a_row.is_empty() {
            let pairs = number_of(spec.in_a_row, "pair");
            return Some(format!(
                "{} of {challenger} drifted in {pairs} in a row, of {champion} in none of them{}",
                listed(&in_a_row, NAMED),
                self.traffic_differs(spec).map_or(String::new(), |differs| format!("; {differs}")),
            ));
        }
        #[expect(clippy::cast_precision_loss, reason = "a few thousand columns at most")]
        let limit = spec.columns.len().max(1) as f64 / FALSE_ALARM;
        let further = |(name, column): (&str, &ColumnProgress)| {
            column.exceeds(limit).then(|| {
                format!(
                    "`{name}` of {challenger} was further from the reference than that of {champion} in {} of {}",
                    column.further,
                    number_of(column.trials, "pair")
                )
            })
        };
        self.of(&spec.columns).find_map(further)
    }

    /// What differs between the sides; none when nothing does.
    fn apart(&self, spec: &ChallengeSpec) -> Option<String> {
        let names = self.apart_in_a_row(&spec.columns, spec);
        if names.is_empty() {
            return self.traffic_differs(spec);
        }
        let (names, pairs) = (listed(&names, NAMED), number_of(spec.in_a_row, "pair"));
        Some(format!("{names} differed in {pairs} in a row, and it is not known which side is the worse one"))
    }

    fn traffic_differs(&self, spec: &ChallengeSpec) -> Option<String> {
        let names = self.apart_in_a_row(&spec.features, spec);
        let pairs = number_of(spec.in_a_row, "pair");
        (!names.is_empty()).then(|| {
            let names = listed(&names, NAMED);
            format!("the features {names} differed in {pairs} in a row: the two may not receive the same traffic")
        })
    }

    fn apart_in_a_row(&self, names: &[String], spec: &ChallengeSpec) -> Vec<String> {
        let apart = self.of(names).filter(|(_, column)| column.apart_in_a_row >= spec.in_a_row);
        apart.map(|(name, _)| format!("`{name}`")).collect()
    }

    /// Pairs are counted from here on.
    fn begin_anew(&mut self, evidence: String) {
        self.evidence = evidence;
        self.quiet = 0;
        for column in self.columns.values_mut() {
            column.apart = 0;
            column.begin_test();
        }
    }

    /// Whether enough pairs were compared since the last evidence, and nothing points against the challenger.
    fn is_quiet(&self, spec: &ChallengeSpec) -> bool {
        let calm = |(_, column): (&str, &ColumnProgress)| {
            column.apart.saturating_mul(RARELY) <= self.quiet && !column.exceeds(BARE_MENTION)
        };
        self.quiet >= spec.windows && self.of(&spec.columns).all(calm)
    }

    /// The reason of the state, as a sentence without its full stop.
    #[must_use]
    pub fn reason(&self, spec: &ChallengeSpec) -> String {
        let [champion, challenger] = [&spec.champion, &spec.challenger].map(|side| spec.in_words(side));
        let waiting = format!("{} of {} compared", self.quiet, number_of(spec.windows, "pair"));
        match self.state {
            ChallengeState::Collecting if self.pairs == 0 => {
                format!("no window of {challenger} has closed yet that {champion} has with the same start")
            }
            ChallengeState::Collecting => format!("{waiting}{}{}", self.not_compared(spec), self.leaning(spec)),
            ChallengeState::Ready => format!(
                "{} of {challenger} stayed within the limits of {champion} in {}",
                listed(&spec.columns.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>(), NAMED),
                number_of(self.quiet, "compared pair"),
            ),
            ChallengeState::Worse | ChallengeState::Differs if self.quiet == 0 => self.evidence.clone(),
            ChallengeState::Worse | ChallengeState::Differs => {
                format!("{} (last evidence; {waiting} since{})", self.evidence, self.leaning(spec))
            }
        }
    }

    /// Which pairs could not be compared, and for which column.
    fn not_compared(&self, spec: &ChallengeSpec) -> String {
        if self.compared == self.pairs {
            return String::new();
        }
        let names: Vec<String> = self
            .of(&spec.columns)
            .filter(|(_, column)| column.not_compared > 0)
            .map(|(name, column)| format!("`{name}` in {}", column.not_compared))
            .collect();
        let of = if names.is_empty() { String::new() } else { format!(" ({})", listed(&names, NAMED)) };
        format!("; {} could not be compared{of}", number_of(self.pairs - self.compared.min(self.pairs), "pair"))
    }

    /// What keeps it from being ready although enough pairs were compared.
    fn leaning(&self, spec: &ChallengeSpec) -> String {
        if self.quiet < spec.windows {
            return String::new();
        }
        let names: Vec<String> = self
            .of(&spec.columns)
            .filter(|(_, column)| column.apart.saturating_mul(RARELY) > self.quiet || column.exceeds(BARE_MENTION))
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        format!("; not ready: {} tends to differ", listed(&names, NAMED))
    }
}
