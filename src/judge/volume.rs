//! The number of records of a window, as a finding of its own.

use super::{Finding, JudgeSpec, Judgement, MeasureRule, Subject, Verdict};
use crate::measure::{Measure, row_count};

impl Judgement {
    /// Adds the finding about the number of records, which is compared with those of earlier windows; of windows that
    /// reach back over several panes that of the last pane, which is compared with those of earlier panes. A moved number makes
    /// the window move, also where there are too few records to compare values.
    ///
    /// `level` is that of the window, as for [`super::judge`].
    ///
    /// Of an incomplete window the number is not known. It is not compared then.
    pub fn judge_rows(&mut self, rows: u64, earlier: &[u64], is_complete: bool, (spec, level): (&JudgeSpec, f64)) {
        let Some(rule) = &spec.rows else { return };
        let finding = finding(rows, earlier, is_complete, rule, spec.level_of_one(level));
        if finding.verdict.moved() {
            self.verdict = self.verdict.worse(finding.verdict);
        }
        self.findings.push(finding);
    }

    /// The finding about the number of records; none where it is not judged.
    #[must_use]
    pub fn rows(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.subject == Subject::Rows)
    }
}

fn finding(rows: u64, earlier: &[u64], is_complete: bool, rule: &MeasureRule, significance: f64) -> Finding {
    let blank = Finding {
        subject: Subject::Rows,
        measure: Measure::RowCount,
        score: None,
        limits: rule.limits,
        noise_floor: None,
        significant: false,
        verdict: Verdict::Undefined,
        change: None,
    };
    if !is_complete {
        return blank;
    }
    let Some(score) = row_count(rows, earlier) else {
        return Finding { verdict: Verdict::NotEnoughData, ..blank };
    };
    let significant = score.p_value.is_some_and(|p_value| p_value <= significance);
    let finding = Finding { score: Some(score), significant, verdict: Verdict::Ok, ..blank };
    Finding { verdict: finding.verdict_with(1.0), ..finding }
}
