//! What people write in one line, in files, queries and commands: matchers, durations, paths of fields, times, separators.
#![no_main]

use driftd::alert::Matcher;
use driftd::record::TimeSpan;
use driftd::record::table::TableDialect;
use driftd::record::{EventTime, FieldPath, nearest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(matcher) = Matcher::parse(text) {
        let again = Matcher::parse(&matcher.to_string()).expect("a matcher is written as it is read");
        assert_eq!(again, matcher);
        let labels = [(matcher.label().to_owned(), text.to_owned())].into_iter().collect();
        let _matches = matcher.matches(&labels);
    }
    let _duration = TimeSpan::parse(text);
    if let Ok(path) = FieldPath::parse(text) {
        assert_eq!(FieldPath::parse(&path.to_string()).expect("a path is written as it is read"), path);
    }
    if let Ok(time) = text.parse::<EventTime>() {
        let _text = time.to_string();
    }
    let _dialect = TableDialect::of(text);
    let _near = nearest(text, ["monitor", "segment", "x"].into_iter());
});
