//! Outcomes of the rows of a log, and what is worth saying about them: fields that are in no record,
//! times that cannot be right, rows that were rejected or filtered.

use crate::baseline::{Fill, Unusable, UnusableColumn, unusable_of_fills};
use crate::record::table::ReadBatch;
use crate::record::{EventTime, Filtered, ModelSchema, RecordLayout, Rejections, nearest, number_of, plural};
use crate::window::Tally;

/// What was read, over all files of a log.
#[derive(Clone, Debug)]
pub struct LogReading {
    schema: ModelSchema,
    layout: RecordLayout,
    fills: Vec<Fill>,
    wrong: Vec<Option<String>>,
    records: u64,
    with_version: u64,
    with_segment: Vec<u64>,
    implausible: u64,
    first_implausible: Option<EventTime>,
    paths: Vec<String>,
    /// Rows that were rejected.
    pub rejected: Rejections,
    /// Rows of something else.
    pub filtered: Filtered,
}

/// Among this many records some must be late before the order of a log is doubted.
const LATE_SHARE: u64 = 20;

impl LogReading {
    /// Nothing read yet.
    #[must_use]
    pub fn new(schema: ModelSchema, layout: RecordLayout) -> Self {
        Self {
            fills: vec![Fill::default(); schema.columns().len()],
            wrong: vec![None; schema.columns().len()],
            with_segment: vec![0; layout.segments.len()],
            schema,
            layout,
            records: 0,
            with_version: 0,
            implausible: 0,
            first_implausible: None,
            paths: Vec::new(),
            rejected: Rejections::default(),
            filtered: Filtered::default(),
        }
    }

    /// Takes note of a batch.
    pub fn take(&mut self, read: &ReadBatch) {
        let batch = &read.batch;
        self.rejected.merge(&read.rejected);
        self.filtered.merge(&read.filtered);
        self.records += batch.times.len() as u64;
        for (fill, absences) in self.fills.iter_mut().zip(&batch.absences) {
            fill.add(absences);
        }
        batch.note_wrong(&mut self.wrong);
        let named = |labels: &crate::record::Dictionary, none: &str| {
            labels.codes().iter().filter(|code| labels.name(**code) != none).count() as u64
        };
        self.with_version += named(&batch.versions, "");
        for (count, labels) in self.with_segment.iter_mut().zip(&batch.segments) {
            *count += named(labels, "(none)");
        }
        for time in batch.times.iter().filter(|time| !time.is_plausible()) {
            self.implausible += 1;
            self.first_implausible.get_or_insert(*time);
        }
    }

    /// Columns that could hardly be read in any record of the log.
    #[must_use]
    pub fn unusable(&self) -> Vec<UnusableColumn> {
        unusable_of_fills(&self.schema, &self.fills, &self.wrong)
    }

    /// Whether a field that the monitor names was in no record, or no record could be used: the paths that the log has help
    /// then.
    #[must_use]
    pub fn misses_fields(&self) -> bool {
        let never = |column: UnusableColumn| matches!(column.reason, Unusable::NeverFound);
        let labels = self.layout.version.iter().any(|_| self.with_version == 0) || self.with_segment.contains(&0);
        labels || self.unusable().into_iter().any(never)
    }

    /// Takes note of the paths that the log has, so that notes can name the one that was probably meant.
    pub fn know_paths(&mut self, paths: Vec<String>) {
        self.paths = paths;
    }

    /// Whether all event times lie where nobody logs predictions.
    #[must_use]
    pub fn all_implausible(&self) -> bool {
        self.records > 0 && self.implausible == self.records
    }

    /// Whether most records came too late for their window, so that next to nothing was counted.
    #[must_use]
    pub fn mostly_late(tally: &Tally) -> bool {
        tally.late > tally.accepted
    }

    /// What is worth saying, the most important first.
    #[must_use]
    pub fn notes(&self, tally: &Tally) -> Vec<String> {
        let mut notes = Vec::new();
        for (reason, count, example) in self.rejected.iter() {
            let records = plural(count, "record was", "records were");
            notes.push(format!("{count} {records} rejected ({reason}); {example}"));
        }
        if self.records == 0 && self.filtered.total() > 0 {
            notes.extend(self.filtered_notes());
        }
        notes.extend(self.time_note());
        notes.extend(self.unusable().iter().map(|column| match column.reason {
            Unusable::NeverFound => format!("{column}{}", self.meant(&column.path)),
            _ => column.to_string(),
        }));
        notes.extend(self.labels_never_found());
        if self.records == 0 {
            notes.extend(self.fields_to_check());
        }
        let all = tally.accepted + tally.late;
        if tally.late * LATE_SHARE > all {
            let field = self.layout.time.as_ref().map_or_else(String::new, |path| format!(" by `{path}`"));
            notes.push(format!(
                "{} of {} {} window: the log is not in order of time\n\
                 hint: sort it{field}; or raise out_of_orderness, and max_open with it, in [window]",
                tally.late,
                number_of(all, "record"),
                plural(tally.late, "was late for its", "were late for their")
            ));
        }
        notes
    }

    fn labels_never_found(&self) -> Vec<String> {
        let version =
            self.layout.version.as_ref().map(|path| ("the model version".to_owned(), path, self.with_version));
        let segments = self.layout.segments.iter().zip(&self.with_segment);
        let segments = segments.map(|((name, path), found)| (format!("segment `{name}`: its path"), path, *found));
        version
            .into_iter()
            .chain(segments)
            .filter(|(_, _, found)| self.records > 0 && *found == 0)
            .map(|(what, path, _)| {
                format!("{what} `{path}` was not found in any record{}", self.meant(&path.to_string()))
            })
            .collect()
    }

    /// When no record could be used: the other fields that would not be found, so that one run shows all of them.
    fn fields_to_check(&self) -> Vec<String> {
        let columns =
            self.schema.columns().iter().map(|column| (format!("column `{}`", column.name), &column.path));
        let version = self.layout.version.iter().map(|path| ("the model version".to_owned(), path));
        let segments = self.layout.segments.iter().map(|(name, path)| (format!("segment `{name}`"), path));
        let fields = columns.chain(version).chain(segments);
        fields
            .filter_map(|(what, path)| {
                let path = path.to_string();
                let is_there = |other: &String| path == *other || path.starts_with(&format!("{other}."));
                let hint = self.meant(&path);
                let misses = !hint.is_empty() && !self.paths.iter().any(is_there);
                misses.then(|| format!("{what}: its path `{path}` is not in the first records, either{hint}"))
            })
            .collect()
    }

    fn meant(&self, path: &str) -> String {
        nearest(path, self.paths.iter().map(String::as_str))
            .map_or(String::new(), |near| format!("\nhint: did you mean `{near}`?"))
    }

    fn filtered_notes(&self) -> Vec<String> {
        let expected = |path: &str| {
            let of = self.layout.filters.iter().find(|(other, _)| other.to_string() == path);
            of.map_or(String::new(), |(_, value)| value.clone())
        };
        let note = |(path, values): (&str, Vec<&str>)| {
            let records = match self.filtered.total() {
                1 => "the only record was".to_owned(),
                all => format!("all {all} records were"),
            };
            format!(
                "{records} filtered: [source.where] wants `{path}` to be \"{}\", and it is {}",
                expected(path),
                values.join(", ")
            )
        };
        self.filtered.seen().into_iter().map(note).collect()
    }

    fn time_note(&self) -> Option<String> {
        let time = self.first_implausible?;
        let unit = self.layout.time_format.plausible_unit(time);
        let hint = unit.map_or(String::new(), |(unit, read)| {
            format!("\nhint: with time_unit = \"{}\" in [source] it would be {read}", unit.as_str())
        });
        let times = if self.all_implausible() {
            "all event times are implausible: they lie".to_owned()
        } else {
            let lie = plural(self.implausible, "is implausible: it lies", "are implausible: they lie");
            format!("{} of {} event times {lie}", self.implausible, self.records)
        };
        Some(format!("{times} outside 1990 to 2100, such as {time}{hint}"))
    }
}
