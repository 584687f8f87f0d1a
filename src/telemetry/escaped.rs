//! What comes from data in a log: names of columns and versions, errors of brokers and receivers, what was sent over HTTP. It is
//! written out before any format sees it, so that text, JSON and the journal are safe alike: an entry is one line, and no
//! character of it acts on the terminal that shows it.

use std::error::Error;
use std::fmt::Debug;

use tracing::field::{Field, FieldSet, Value, Visit, display};
use tracing::metadata::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::escape::plain;

/// A layer that is given every text as [`plain`] has it.
pub(super) struct Escaped<L>(pub(super) L);

/// A text on one line: a hint of ours follows the sentence, everything else that breaks lines is written out.
fn shown(text: &str) -> String {
    plain(&text.replace("\nhint: ", "; hint: "))
}

/// The values of an event or a span, in the order of its fields.
struct FieldValues(Vec<Option<Box<dyn Value>>>);

impl FieldValues {
    fn of(fields: &FieldSet, record: impl FnOnce(&mut Self)) -> Self {
        let mut values = Self(fields.iter().map(|_| None).collect());
        record(&mut values);
        values
    }

    fn put(&mut self, field: &Field, value: impl Value + 'static) {
        if let Some(place) = self.0.get_mut(field.index()) {
            *place = Some(Box::new(value));
        }
    }

    fn all(&self) -> Vec<Option<&dyn Value>> {
        self.0.iter().map(Option::as_deref).collect()
    }
}

impl Visit for FieldValues {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, shown(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        self.put(field, display(shown(&text)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, display(shown(&format!("{value:?}"))));
    }
}

impl<S, L> Layer<S> for Escaped<L>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    L: Layer<S>,
{
    fn on_layer(&mut self, subscriber: &mut S) {
        self.0.on_layer(subscriber);
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.0.register_callsite(metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        self.0.enabled(metadata, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.max_level_hint()
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        let values = FieldValues::of(metadata.fields(), |values| attributes.record(values));
        let all = values.all();
        let set = metadata.fields().value_set_all(&all);
        let shown = match attributes.parent() {
            Some(parent) => Attributes::child_of(parent.clone(), metadata, &set),
            None if attributes.is_root() => Attributes::new_root(metadata, &set),
            None => Attributes::new(metadata, &set),
        };
        self.0.on_new_span(&shown, id, context);
    }

    fn on_record(&self, span: &Id, record: &Record<'_>, context: Context<'_, S>) {
        let Some(metadata) = context.metadata(span) else { return };
        let values = FieldValues::of(metadata.fields(), |values| record.record(values));
        let all = values.all();
        self.0.on_record(span, &Record::new(&metadata.fields().value_set_all(&all)), context);
    }

    fn on_follows_from(&self, span: &Id, follows: &Id, context: Context<'_, S>) {
        self.0.on_follows_from(span, follows, context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let values = FieldValues::of(metadata.fields(), |values| event.record(values));
        let all = values.all();
        let set = metadata.fields().value_set_all(&all);
        let shown = if event.is_contextual() {
            Event::new(metadata, &set)
        } else {
            Event::new_child_of(event.parent().cloned(), metadata, &set)
        };
        self.0.on_event(&shown, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.0.on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.0.on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.0.on_close(id, context);
    }

    fn on_id_change(&self, old: &Id, new: &Id, context: Context<'_, S>) {
        self.0.on_id_change(old, new, context);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::escape::is_hidden;

    /// Everything that may not reach a log as it is.
    const HOSTILE: &str = "v1\r\n2026-01-01T00:00:00Z  INFO driftd: all is well\u{1b}[2J\u{9b}31m\u{85}\u{7f}\u{0}\u{202e}\u{2066}\
                           \u{200f}\u{61c}\u{2028}\u{200b}end";
    const SHOWN: &str = "v1\\r\\n2026-01-01T00:00:00Z  INFO driftd: all is well\\u{1b}[2J\\u{9b}31m\\u{85}\\u{7f}\\u{0}\\u{202e}\\u{2066}\
                         \\u{200f}\\u{61c}\\u{2028}\\u{200b}end";

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the broker says: {0}")]
    struct Said(&'static str);

    /// One entry with hostile text in each place that text can be in.
    fn log() {
        let span = tracing::info_span!("hostile", version = %HOSTILE, segment = HOSTILE);
        let _inside = span.enter();
        let said = Said(HOSTILE);
        tracing::info!(
            column = HOSTILE,
            topic = %HOSTILE,
            known = ?[HOSTILE],
            number = 7,
            exact = true,
            error = &said as &dyn Error,
            "monitor {HOSTILE} is read"
        );
    }

    #[test]
    fn an_entry_is_one_line_in_text() {
        let kept = Kept::default();
        let layer = Escaped(tracing_subscriber::fmt::layer().with_ansi(false).with_writer(kept.clone()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(!text.trim_end_matches('\n').chars().any(is_hidden), "{text:?}");
        assert!(text.contains(&format!("monitor {SHOWN} is read")), "{text}");
        for wanted in [&format!("topic={SHOWN}"), &format!("version={SHOWN}"), "number=7", "exact=true"] {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
        assert!(text.contains(&format!("the broker says: {SHOWN}")), "{text}");
    }

    #[test]
    fn an_entry_keeps_its_types_in_json_and_its_texts_show_all() {
        let kept = Kept::default();
        let layer = Escaped(tracing_subscriber::fmt::layer().json().with_writer(kept.clone()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(!text.trim_end_matches('\n').chars().any(is_hidden), "{text:?}");
        let entry: serde_json::Value = serde_json::from_str(&text).unwrap();
        let fields = &entry["fields"];
        assert_eq!(fields["message"], format!("monitor {SHOWN} is read"));
        assert_eq!((&fields["number"], &fields["exact"]), (&serde_json::json!(7), &serde_json::json!(true)));
        for value in [&fields["column"], &fields["topic"], &entry["span"]["version"], &entry["span"]["segment"]] {
            assert_eq!(value, SHOWN);
        }
    }
}
