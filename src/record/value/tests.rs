//! Values as each format has them, and what each is to a column.

use super::*;

fn category(value: Value<'_>) -> String {
    let mut buffer = String::new();
    match value.category(&mut buffer) {
        Ok(()) => buffer,
        Err(absence) => format!("({})", absence.as_str()),
    }
}

#[test]
fn a_value_has_one_spelling_in_every_format() {
    let same: [(&[Value<'_>], &str); 13] = [
        (
            &[
                Value::Integer(12),
                Value::Number(12.0),
                Value::Unsigned(12),
                Value::Text("12"),
                Value::Text("12.0"),
            ],
            "12",
        ),
        (
            &[
                Value::Number(0.1),
                Value::Number(f64::from(0.1f32)),
                Value::Text("0.1"),
                Value::Text("0.10000000149011612"),
            ],
            "0.1",
        ),
        (
            &[
                Value::Number(1e-5),
                Value::Text("1e-05"),
                Value::Text("1.0E-5"),
                Value::Text("0.00001"),
                Value::Text("1e-5"),
            ],
            "0.00001",
        ),
        (&[Value::Number(-0.0), Value::Integer(0), Value::Text("-0"), Value::Text("-0.0"), Value::Text("0")], "0"),
        (&[Value::Boolean(true), Value::Text("true"), Value::Text("True"), Value::Text("TRUE")], "true"),
        (&[Value::Unsigned(u64::MAX), Value::Text("18446744073709551615")], "18446744073709551615"),
        (
            &[Value::Number(3.272_673_678_671_681e20), Value::Text("327267367867168100000")],
            "327267367867168100000",
        ),
        (&[Value::Digits("327267367867168100001"), Value::Text("327267367867168100001")], "327267367867168100001"),
        (&[Value::Text("K\u{f6}ln"), Value::Text("Ko\u{308}ln")], "K\u{f6}ln"),
        (
            &[
                Value::Text("2026-03-01T12:00:00Z"),
                Value::Text("2026-03-01 12:00:00"),
                Value::Text("2026-03-01T13:00:00.000+01:00"),
            ],
            "2026-03-01T12:00:00Z",
        ),
        (
            &[
                Value::Text("2026-03-01"),
                Value::Text("2026-03-01T00:00:00.000Z"),
                Value::Text("2026-03-01 00:00:00"),
            ],
            "2026-03-01",
        ),
        (&[Value::Text(""), Value::Null], "(null)"),
        (&[Value::Number(f64::NAN)], "(nan)"),
    ];
    for (values, expected) in same {
        for value in values {
            assert_eq!(category(*value), expected, "{value:?}");
        }
    }
}

#[test]
fn text_that_no_program_writes_for_a_number_stays_text() {
    for text in [
        "007",
        "1.10",
        "1,5",
        "1e5",
        "12e3",
        "4E2",
        "10.0.0.1",
        "1.00",
        "+5",
        "1-2",
        "--1",
        "2026-13-45",
        "NaN",
        "NA",
        "None",
        "0x1F",
        "-",
        "1.",
        ".5",
        "2026-03-01x",
        "12.0.0",
    ] {
        assert_eq!(category(Value::Text(text)), text);
    }
}

#[test]
fn a_version_keeps_its_text() {
    let mut buffer = String::new();
    assert!(Value::Text("1.0").name(&mut buffer));
    assert_eq!(buffer, "1.0");
    assert!(Value::Number(2.0).name(&mut buffer));
    assert_eq!(buffer, "2");
    assert!(!Value::Text("").name(&mut buffer) && !Value::Missing.name(&mut buffer));
}

#[test]
fn times_in_numeric_columns_are_seconds() {
    assert_eq!(Value::Text("1970-01-02").numeric(), Ok(86_400.0));
    assert_eq!(Value::Text("1970-01-01T00:00:01.5Z").numeric(), Ok(1.5));
    assert_eq!(Value::Text("41.5").numeric(), Err(Absence::WrongType));
    assert_eq!(Value::Text("").numeric(), Err(Absence::Null));
}

proptest::proptest! {
    #[test]
    fn the_canonical_form_is_its_own_canonical_form(text in "\\PC{0,20}", number in proptest::num::f64::ANY) {
        for value in [Value::Text(&text), Value::Number(number)] {
            let once = category(value);
            if !once.starts_with('(') {
                proptest::prop_assert_eq!(category(Value::Text(&once)), once);
            }
        }
    }

    #[test]
    fn numbers_equal_in_single_precision_are_one_category(single in proptest::num::f32::NORMAL) {
        let double: f64 = single.to_string().parse().unwrap();
        if double != double.trunc() {
            proptest::prop_assert_eq!(category(Value::Number(double)), category(Value::Number(f64::from(single))));
        }
    }

    #[test]
    fn a_number_and_its_text_are_one_category(number in -1e15..1e15f64) {
        let text = number.to_string();
        proptest::prop_assert_eq!(category(Value::Text(&text)), category(Value::Number(number)));
    }
}
