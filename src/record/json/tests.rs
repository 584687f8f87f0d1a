use arrow::array::{Array, AsArray};
use arrow::datatypes::Float64Type;
use proptest::prelude::*;

use super::*;
use crate::record::TimeSpan;
use crate::record::{Absence, ColumnType, Offset};

fn decoder() -> JsonDecoder {
    let schema = ModelSchema::of_features(&[
        ("in.age", ColumnType::Numeric),
        ("in.country", ColumnType::Categorical),
        ("vip", ColumnType::Boolean),
    ])
    .unwrap();
    let path = |text| FieldPath::parse(text).unwrap();
    let layout = RecordLayout {
        time: Some(path("ts")),
        version: Some(path("v")),
        segments: vec![("country".to_owned(), path("in.country"))],
        filters: vec![(path("model"), "credit".to_owned())],
        max_message_bytes: 1024,
        max_future_skew: TimeSpan::minutes(1),
        ..RecordLayout::default()
    };
    JsonDecoder::new(&schema, layout)
}

fn decode(decoder: &mut JsonDecoder, text: &str) -> Decoded {
    decode_bytes(decoder, text.as_bytes())
}

fn decode_bytes(decoder: &mut JsonDecoder, payload: &[u8]) -> Decoded {
    decoder.decode(RawMessage {
        payload: Some(payload),
        offset: Offset::new(7),
        broker_time: EventTime::from_millis(2_000_000),
        clock: None,
        ..RawMessage::default()
    })
}

#[test]
fn reads_nested_values_time_version_and_segment() {
    let mut decoder = decoder();
    let text = r#"{"model":"credit","ts":1000,"v":"a","in":{"age":41.5,"country":"DE","x":[1,{}]},"vip":true}"#;
    assert_eq!(decode(&mut decoder, text), Decoded::Row);
    let batch = decoder.finish();
    assert_eq!(batch.batch.column(0).as_primitive::<Float64Type>().value(0), 41.5);
    assert_eq!(batch.batch.column(1).as_string::<i32>().value(0), "DE");
    assert!(batch.batch.column(2).as_boolean().value(0));
    assert_eq!(batch.times, vec![EventTime::from_millis(1000).unwrap()]);
    assert_eq!((batch.versions.name(0), batch.segments[0].name(0)), ("a", "DE"));
    assert_eq!(batch.offsets, vec![Offset::new(7)]);
    assert_eq!(decoder.rows(), 0);
}

#[test]
fn every_kind_of_absence_is_told_apart() {
    let cases = [
        (r#""age":null"#, Absence::Null),
        (r#""other":1"#, Absence::Missing),
        (r#""age":NaN"#, Absence::Nan),
        (r#""age":"nan""#, Absence::Nan),
        (r#""age":-Infinity"#, Absence::Infinite),
        (r#""age":1e999"#, Absence::Infinite),
        (r#""age":"41.5""#, Absence::WrongType),
        (r#""age":true"#, Absence::WrongType),
        (r#""age":[1]"#, Absence::WrongType),
        (r#""age":{"x":1}"#, Absence::WrongType),
        (r#""age":3"#, Absence::Present),
    ];
    let mut decoder = decoder();
    for (fields, expected) in cases {
        let text = format!(r#"{{"model":"credit","ts":1000,"in":{{{fields}}}}}"#);
        assert_eq!(decode(&mut decoder, &text), Decoded::Row, "{fields}");
        let batch = decoder.finish();
        assert_eq!(batch.absences[0], vec![expected], "{fields}");
        assert_eq!(batch.batch.column(0).is_null(0), expected != Absence::Present, "{fields}");
    }
}

#[test]
fn a_bad_message_costs_itself_and_nothing_else() {
    let big = format!(r#"{{"x":"{}"}}"#, "y".repeat(2000));
    let bad: [(&[u8], RejectReason); 10] = [
        (b"", RejectReason::Syntax),
        (b"{", RejectReason::Syntax),
        (br#"{"model":"credit","ts":1000"#, RejectReason::Syntax),
        (br#"{"ts":1} {"ts":2}"#, RejectReason::Syntax),
        (b"{\"model\":\"cr\xffdit\"}", RejectReason::Syntax),
        (b"[1,2]", RejectReason::NotAnObject),
        (b"3", RejectReason::NotAnObject),
        (big.as_bytes(), RejectReason::TooBig),
        (br#"{"model":"credit"}"#, RejectReason::BadTimestamp),
        (br#"{"model":"credit","ts":9000000}"#, RejectReason::FutureTimestamp),
    ];
    let good = r#"{"model":"credit","ts":1000,"in":{"age":1}}"#;
    let mut decoder = decoder();
    for (payload, reason) in bad {
        assert_eq!(decode_bytes(&mut decoder, payload), Decoded::Rejected(reason), "{payload:?}");
        assert_eq!(decode(&mut decoder, good), Decoded::Row);
    }
    assert_eq!(decode(&mut decoder, r#"{"model":"fraud","ts":1000}"#), Decoded::Filtered);
    let tombstone = RawMessage {
        payload: None,
        offset: Offset::default(),
        broker_time: None,
        clock: None,
        ..RawMessage::default()
    };
    assert_eq!(decoder.decode(tombstone), Decoded::Rejected(RejectReason::Tombstone));
    let batch = decoder.finish();
    assert_eq!(batch.batch.num_rows(), bad.len());
    assert!(batch.absences[0].iter().all(|absence| *absence == Absence::Present));
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_message() {
    let mut decoder = decoder();
    let text = "\u{feff}{\"model\":\"credit\",\"ts\":1000,\"in\":{\"age\":1}}";
    assert_eq!(decode(&mut decoder, text), Decoded::Row);
}

#[test]
fn a_nan_is_no_category_and_the_word_is() {
    let mut decoder = decoder();
    decode(&mut decoder, r#"{"model":"credit","ts":1,"in":{"country":NaN}}"#);
    decode(&mut decoder, r#"{"model":"credit","ts":1,"in":{"country":"NaN"}}"#);
    let batch = decoder.finish();
    assert_eq!(batch.absences[1], [Absence::Nan, Absence::Present]);
    assert_eq!(batch.batch.column(1).as_string::<i32>().value(1), "NaN");
}

#[test]
fn of_a_key_that_stands_twice_the_last_counts_with_all_that_is_inside() {
    let mut decoder = decoder();
    decode(&mut decoder, r#"{"model":"credit","ts":1,"in":{"age":1,"country":"DE"},"in":{"age":2}}"#);
    decode(&mut decoder, r#"{"model":"credit","ts":1,"in":{"age":1},"in":5}"#);
    let batch = decoder.finish();
    assert_eq!(batch.batch.column(0).as_primitive::<Float64Type>().value(0), 2.0);
    assert_eq!(batch.absences[0], [Absence::Present, Absence::Missing]);
    assert_eq!(batch.absences[1], [Absence::Missing, Absence::Missing]);
}

#[test]
fn a_flat_key_stands_for_a_nested_path_where_there_is_none() {
    let mut decoder = decoder();
    decode(&mut decoder, r#"{"model":"credit","ts":1,"in.age":1,"in.country":"DE"}"#);
    decode(&mut decoder, r#"{"model":"credit","ts":1,"in":{"age":2},"in.age":1}"#);
    let batch = decoder.finish();
    assert_eq!(batch.batch.column(0).as_primitive::<Float64Type>().values(), &[1.0, 2.0]);
    assert_eq!(batch.batch.column(1).as_string::<i32>().value(0), "DE");
}

#[test]
fn a_rejection_names_the_field_its_value_and_what_is_allowed() {
    let mut decoder = decoder();
    let cases: [(&[u8], &[&str]); 9] = [
        (br#"{"model":"credit","ts":"01/09/2018 00:15"}"#, &["`ts`", "01/09/2018 00:15", "RFC 3339", "time_unit"]),
        (br#"{"model":"credit","ts":[2026,3,1]}"#, &["`ts`", "an array"]),
        (br#"{"model":"credit","time":1}"#, &["no event time `ts`", "model, time"]),
        (br#"{"model":"credit","ts":1772323200000000}"#, &["time_unit = \"us\"", "2026-03-01T00:00:00Z"]),
        (br#"{"model":"credit","ts":32401000000}"#, &["after the timestamp of the message", "max_future_skew"]),
        (br#"[{"a":1},{"a":2}]"#, &["an array of 2"]),
        (br#"{"a":1} {"a":2}"#, &["more than one JSON document"]),
        (br#""{\"a\":1}""#, &["encoded twice"]),
        (b"\0\0\0\0\x05{\"a\":1}", &["schema registry", "schema id 5"]),
    ];
    for (payload, words) in cases {
        let message = RawMessage {
            payload: Some(payload),
            offset: Offset::default(),
            broker_time: EventTime::from_millis(2_000_000),
            clock: None,
            ..RawMessage::default()
        };
        let Decoded::Rejected(reason) = decoder.decode(message) else { panic!("{payload:?} was not rejected") };
        let said = decoder.explain(message, reason);
        for word in words {
            assert!(said.contains(word), "{said:?} lacks {word:?}");
        }
    }
}

#[test]
fn a_filtered_record_says_which_value_it_has_instead() {
    let mut decoder = decoder();
    assert_eq!(decode(&mut decoder, r#"{"model":"fraud","ts":1}"#), Decoded::Filtered);
    let (path, value) = decoder.filtered_by().unwrap();
    assert_eq!((path.to_string(), value), ("model".to_owned(), "\"fraud\"".to_owned()));
}

#[test]
fn deep_nesting_costs_no_stack() {
    let schema = ModelSchema::of_features(&[("a", ColumnType::Numeric)]).unwrap();
    let layout = RecordLayout { max_message_bytes: usize::MAX, ..RecordLayout::default() };
    let mut decoder = JsonDecoder::new(&schema, layout);
    let deep = format!(
        r#"{{"x":{}1{},"a":{}{}}}"#,
        r#"{"a":"#.repeat(1_000_000),
        "}".repeat(1_000_000),
        "[".repeat(1_000_000),
        "]".repeat(1_000_000)
    );
    assert_eq!(decode(&mut decoder, &deep), Decoded::Row);
    assert_eq!(decoder.finish().absences[0], vec![Absence::WrongType]);
}

#[test]
fn numbers_standing_for_categories_have_one_spelling() {
    let mut decoder = decoder();
    for value in ["3", "3.0", "\"3\""] {
        decode(&mut decoder, &format!(r#"{{"model":"credit","ts":1000,"in":{{"country":{value}}}}}"#));
    }
    let batch = decoder.finish();
    let values: Vec<_> = batch.batch.column(1).as_string::<i32>().iter().flatten().collect();
    assert_eq!(values, ["3", "3", "3"]);
}

#[test]
fn a_nul_in_a_category_becomes_a_character_that_can_be_stored() {
    let mut decoder = decoder();
    decode(&mut decoder, r#"{"model":"credit","ts":1,"v":"a\u0000b","in":{"country":"D\u0000"}}"#);
    let batch = decoder.finish();
    assert_eq!(batch.batch.column(1).as_string::<i32>().value(0), "D\u{fffd}");
    assert_eq!(batch.versions.name(0), "a\u{fffd}b");
}

#[test]
fn an_overlong_category_keeps_a_prefix_and_a_hash() {
    let mut decoder = decoder();
    decode(&mut decoder, &format!(r#"{{"model":"credit","ts":1,"in":{{"country":"{}"}}}}"#, "é".repeat(300)));
    let batch = decoder.finish();
    let value = batch.batch.column(1).as_string::<i32>().value(0);
    assert!(value.len() <= crate::record::MAX_CATEGORY_BYTES && value.contains('#'), "{value}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_give_at_most_one_row(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = decoder();
        let outcome = decode_bytes(&mut decoder, &payload);
        prop_assert_eq!(decoder.rows(), usize::from(outcome == Decoded::Row));
    }

    #[test]
    fn mutated_records_never_panic(position in 0usize..90, byte in any::<u8>()) {
        let mut payload = br#"{"model":"credit","ts":1000,"v":"a","in":{"age":41.5,"country":"DE","x":[1]},"vip":true}"#.to_vec();
        let index = position % payload.len();
        payload[index] = byte;
        let mut decoder = decoder();
        let outcome = decode_bytes(&mut decoder, &payload);
        prop_assert_eq!(decoder.finish().batch.num_rows(), usize::from(outcome == Decoded::Row));
    }
}

#[test]
fn half_a_surrogate_pair_costs_its_value_and_not_the_message() {
    let mut decoder = decoder();
    for (country, expected) in [
        (r"\ud800", "\u{fffd}"),
        (r"D\uDC00E", "D\u{fffd}E"),
        (r"\ud83d\ude00\ud83d", "\u{1f600}\u{fffd}"),
        (r"\ud83d\ude00", "\u{1f600}"),
        (r"\\ud800", r"\ud800"),
    ] {
        let text = format!(
            r#"{{"model":"credit","ts":1000,"\udfff":"\udfff","in":{{"age":NaN,"country":"{country}"}},"vip":true}}"#
        );
        assert_eq!(decode(&mut decoder, &text), Decoded::Row, "{text}");
        let batch = decoder.finish();
        assert_eq!(batch.batch.column(1).as_string::<i32>().value(0), expected, "{text}");
        assert_eq!(batch.absences[0], vec![Absence::Nan], "{text}");
        assert!(batch.batch.column(2).as_boolean().value(0), "the others are counted: {text}");
    }
    // In a column of numbers it is a text, and as a time it is none.
    let text = r#"{"model":"credit","ts":1000,"in":{"age":"\ud800","country":"DE"}}"#;
    assert_eq!(decode(&mut decoder, text), Decoded::Row);
    assert_eq!(decoder.finish().absences[0], vec![Absence::WrongType]);
    assert_eq!(
        decode(&mut decoder, r#"{"model":"credit","ts":"\ud800"}"#),
        Decoded::Rejected(RejectReason::BadTimestamp)
    );
    // What is no JSON stays so.
    for text in [r#"{"model":"\ud80"}"#, r#"{"model":"\ud800"#, r#"{"model":"\ud800",}"#] {
        assert_eq!(decode(&mut decoder, text), Decoded::Rejected(RejectReason::Syntax), "{text}");
    }
}

#[test]
fn identifiers_of_more_than_64_bits_stay_apart() {
    let mut decoder = decoder();
    let ids = ["18446744073709551616", "18446744073709551617", "-9223372036854775809", "327267367867168100001"];
    for id in ids {
        let text = format!(
            r#"{{"model":"credit","ts":1000,"v":{id},"in":{{"age":{id},"country":{id}}},"vip":{id},"x":"{id}"}}"#
        );
        assert_eq!(decode(&mut decoder, &text), Decoded::Row, "{text}");
    }
    let batch = decoder.finish();
    let countries = batch.batch.column(1).as_string::<i32>();
    let ages = batch.batch.column(0).as_primitive::<Float64Type>();
    for (row, id) in ids.iter().enumerate() {
        assert_eq!(countries.value(row), *id);
        assert_eq!((batch.versions.name(row as u32), batch.segments[0].name(row as u32)), (*id, *id));
        assert_eq!(ages.value(row), id.parse::<f64>().unwrap(), "as a number it is a float");
        assert!(batch.batch.column(2).is_null(row));
    }
    // Beyond a float, and numbers that are written as floats.
    let huge = "9".repeat(400);
    let text =
        format!(r#"{{"model":"credit","ts":1000,"in":{{"age":{huge},"country":1e20}},"ids":[{}]}}"#, ids[0]);
    assert_eq!(decode(&mut decoder, &text), Decoded::Row);
    let batch = decoder.finish();
    assert_eq!(batch.absences[0], vec![Absence::Infinite]);
    assert_eq!(batch.batch.column(1).as_string::<i32>().value(0), "100000000000000000000");
}

#[test]
fn wide_integers_in_a_vector_are_numbers() {
    let schema =
        ModelSchema::of_features(&[("e", ColumnType::Embedding), ("id", ColumnType::Categorical)]).unwrap();
    let mut decoder =
        JsonDecoder::new(&schema, RecordLayout { max_message_bytes: 1024, ..RecordLayout::default() });
    assert_eq!(decode(&mut decoder, r#"{"e":[1,18446744073709551617],"id":18446744073709551617}"#), Decoded::Row);
    let batch = decoder.finish();
    assert!(batch.absences.iter().all(|column| column[0] == Absence::Present), "{:?}", batch.absences);
}

#[test]
fn a_sensitive_event_time_is_in_no_message() {
    let schema = ModelSchema::of_features(&[("ts", ColumnType::Numeric), ("x", ColumnType::Numeric)]).unwrap();
    let layout = RecordLayout {
        time: Some(FieldPath::parse("ts").unwrap()),
        max_message_bytes: 1024,
        max_future_skew: TimeSpan::minutes(1),
        ..RecordLayout::default()
    };
    for (sensitive, shown) in [(&["ts"][..], false), (&["x"][..], true)] {
        let mut decoder = JsonDecoder::new(&schema.clone().with_sensitive(sensitive), layout.clone());
        for (payload, canary) in [
            (r#"{"ts":"canary-4711"}"#, "canary-4711"),
            (r#"{"ts":99999999999999999}"#, "99999999999999999"),
            (r#"{"ts":"2077-07-07T07:07:07Z"}"#, "2077-07-07"),
        ] {
            let message = RawMessage {
                payload: Some(payload.as_bytes()),
                offset: Offset::new(1),
                broker_time: EventTime::from_millis(2_000_000),
                clock: None,
                ..RawMessage::default()
            };
            let Decoded::Rejected(reason) = decoder.decode(message) else { panic!("{payload} was taken") };
            let why = decoder.explain(message, reason);
            assert!(why.contains("`ts`"), "{why}");
            let written: String = why.chars().filter(|c| *c != '_' && *c != ',').collect();
            assert_eq!(written.contains(canary), shown, "{why}");
        }
    }
}
