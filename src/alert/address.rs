//! Addresses of pages, as messages and pages link to them: the window, version, segment and column that are talked about.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::AlertView;

/// What stands in an address as it is: letters, digits and `-_.~` (RFC 3986, 2.3).
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Percent-encodes everything but letters, digits and `-_.~`.
#[must_use]
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &UNRESERVED).to_string()
}

/// The path of the page of a column in a series, in a window or in the last one.
#[must_use]
pub fn column_page(monitor: &str, column: &str, version: &str, segment: &str, window: Option<i64>) -> String {
    let mut path = format!(
        "/monitors/{}/columns/{}?version={}&segment={}",
        encoded(monitor),
        encoded(column),
        encoded(version),
        encoded(segment)
    );
    if let Some(window) = window {
        // Writing to a String cannot fail.
        let _infallible = write!(path, "&window={window}");
    }
    path
}

impl AlertView {
    /// Says where the alert can be looked at, and each of its columns in the window that it is told of.
    pub fn link(&mut self, external_url: Option<&str>) {
        let Some(base) = external_url.map(|base| base.trim_end_matches('/')) else { return };
        self.url = Some(format!("{base}/alerts/{}", self.id));
        let Self { evidence, monitor, version, segment, .. } = self;
        for column in evidence.drifted.iter_mut().chain(&mut evidence.warned) {
            let window = column.window.as_ref().and_then(|window| window.id).filter(|_| !column.is_rows());
            column.url = window.map(|window| {
                format!("{base}{}", column_page(monitor, &column.column, version, segment, Some(window)))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_any_name() {
        assert_eq!(encoded("a b/ü?&\"<"), "a%20b%2F%C3%BC%3F%26%22%3C");
        assert_eq!(column_page("m", "../x", "", "*", None), "/monitors/m/columns/..%2Fx?version=&segment=%2A");
        assert_eq!(
            column_page("m", "x", "2", "a=b", Some(7)),
            "/monitors/m/columns/x?version=2&segment=a%3Db&window=7"
        );
    }
}
