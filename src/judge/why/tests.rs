use super::*;

#[test]
fn numbers_are_written_for_people() {
    let shown: Vec<String> =
        [0.0, 1.0, 0.123_456, 12_345.6, 1e-7, 3.0e9, -2.5, 1000.0].into_iter().map(number).collect();
    assert_eq!(shown, ["0", "1", "0.1235", "12346", "1.000e-7", "3.000e9", "-2.5", "1000"]);
}
