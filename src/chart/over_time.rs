//! What is in a column over time: quantile bands, shares of categories, rates of what is not a known value.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{at, rectangle};

const WIDTH: f64 = 420.0;
const TOP: f64 = 8.0;
const HEIGHT: f64 = 100.0;

/// Where a numeric column lies in each window: the 5, 25, 50, 75 and 95 % quantiles; none where it has no value.
pub type Quantiles = Option<[f64; 5]>;

#[expect(clippy::cast_precision_loss, reason = "some hundred windows")]
fn slot(windows: usize) -> f64 {
    WIDTH / windows.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "some hundred windows")]
fn middle(index: usize, windows: usize) -> f64 {
    (index as f64 + 0.5) * slot(windows)
}

fn short(value: f64) -> String {
    crate::judge::why::number(value)
}

/// The frame that all of these charts share: an axis with up to two labels, and the first and the last window below.
fn frame(id: &str, ends: (&str, &str), labels: &[(f64, String)], sentence: &str, inside: &Markup) -> Markup {
    let title = format!("{id}-title");
    html! {
        svg.chart viewBox="-56 0 482 130" role="img" aria-labelledby=(title) {
            title id=(title) { (sentence) }
            (inside)
            g.axis {
                path d=(format!("M0 {}h{}", at(TOP + HEIGHT), at(WIDTH))) {}
                @for (y, label) in labels { text x="-6" y=(at(y + 4.0)) text-anchor="end" { (label) } }
            }
            g.labels {
                text x="0" y=(at(TOP + HEIGHT + 16.0)) { (ends.0) }
                text x=(at(WIDTH)) y=(at(TOP + HEIGHT + 16.0)) text-anchor="end" { (ends.1) }
            }
        }
    }
}

/// Bands from the 5 to the 95 % and from the 25 to the 75 % quantile with the median as a line, over the baseline's band.
#[must_use]
pub fn quantile_bands(
    id: &str,
    windows: &[Quantiles],
    baseline: Quantiles,
    ends: (&str, &str),
    sentence: &str,
) -> Markup {
    let all = windows.iter().chain([&baseline]).flatten();
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), [least, .., most]| {
        (low.min(*least), high.max(*most))
    });
    if low > high {
        return html! { p.soft { "There is no value to draw." } };
    }
    let spread = if high > low { high - low } else { 1.0 };
    let y = |value: f64| TOP + HEIGHT - (value - low) / spread * HEIGHT;
    let half = slot(windows.len()) / 2.0;
    let (mut outer, mut inner, mut line) = (String::new(), String::new(), String::new());
    for (index, quantiles) in windows.iter().enumerate() {
        let Some([q05, q25, q50, q75, q95]) = quantiles else { continue };
        let x = middle(index, windows.len());
        for (path, from, to, width) in [(&mut outer, q95, q05, half * 0.9), (&mut inner, q75, q25, half * 0.9)] {
            let top = y(*from);
            // A band without width is still to be seen.
            rectangle(path, x - width, top, width * 2.0, (y(*to) - top).max(0.8));
        }
        let _infallible = write!(line, "M{} {}h{}", at(x - half * 0.9), at(y(*q50)), at(half * 1.8));
    }
    let inside = html! {
        @if let Some([q05, _, q50, _, q95]) = baseline {
            path.reference d=(format!("M0 {}h{}V{}h-{}z", at(y(q95)), at(WIDTH), at(y(q05)), at(WIDTH))) {}
            path.reference-line d=(format!("M0 {}h{}", at(y(q50)), at(WIDTH))) {}
        }
        path.outer d=(outer) {}
        path.inner d=(inner) {}
        path.median d=(line) {}
    };
    let labels = if high > low {
        vec![(TOP, short(high)), (TOP + HEIGHT, short(low))]
    } else {
        vec![(TOP + HEIGHT, short(low))]
    };
    frame(id, ends, &labels, sentence, &inside)
}

/// Kinds of fill there are for categories; the last is for all others.
pub const FILLS: usize = 8;

/// Shares of categories in each window, stacked. Each window has the share of each name, in the order of the names; what
/// they leave is the others'.
#[must_use]
pub fn stacked_shares(
    id: &str,
    names: &[String],
    windows: &[Vec<f64>],
    ends: (&str, &str),
    sentence: &str,
) -> Markup {
    let width = slot(windows.len());
    let mut paths = vec![String::new(); names.len() + 1];
    for (index, shares) in windows.iter().enumerate() {
        let mut top = TOP + HEIGHT;
        let rest = (1.0 - shares.iter().sum::<f64>()).max(0.0);
        let has_values = shares.iter().any(|share| *share > 0.0);
        let all = shares.iter().copied().chain(has_values.then_some(rest));
        for (path, share) in paths.iter_mut().zip(all) {
            let height = share * HEIGHT;
            if height > 0.05 {
                top -= height;
                rectangle(path, middle(index, windows.len()) - width * 0.46, top, width * 0.92, height);
            }
        }
    }
    let inside = html! {
        @for (index, path) in paths.iter().enumerate() {
            @if !path.is_empty() { path class=(fill(index, names.len())) d=(path) {} }
        }
    };
    let labels = [(TOP, "100 %".to_owned()), (TOP + HEIGHT, "0".to_owned())];
    html! {
        (frame(id, ends, &labels, sentence, &inside))
        p.key {
            @for (index, name) in names.iter().map(String::as_str).chain(["others"]).enumerate() {
                svg.swatch viewBox="0 0 10 10" aria-hidden="true" focusable="false" {
                    path class=(fill(index, names.len())) d="M0 0h10v10h-10z" {}
                }
                " " (name) " "
            }
        }
    }
}

fn fill(index: usize, names: usize) -> String {
    if index == names { "share others".to_owned() } else { format!("share s{}", index % FILLS) }
}

/// A rate over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// What it is a share of.
    pub name: &'static str,
    /// One share a window.
    pub values: Vec<f64>,
}

/// Rates as lines, each of its own dash.
#[must_use]
pub fn rates(id: &str, lines: &[Rate], ends: (&str, &str), sentence: &str) -> Markup {
    let most = lines.iter().flat_map(|line| &line.values).copied().fold(0.0, f64::max).max(0.001);
    let y = |share: f64| TOP + HEIGHT - share / most * HEIGHT;
    let inside = html! {
        @for (index, line) in lines.iter().enumerate() {
            path class=(format!("rate r{index}")) d=(polyline(&line.values, y)) {}
        }
    };
    let percent = if most >= 0.1 { format!("{:.0} %", most * 100.0) } else { format!("{:.1} %", most * 100.0) };
    html! {
        (frame(id, ends, &[(TOP, percent), (TOP + HEIGHT, "0".to_owned())], sentence, &inside))
        p.key {
            @for (index, line) in lines.iter().enumerate() {
                svg.stroke viewBox="0 0 24 10" aria-hidden="true" focusable="false" {
                    path class=(format!("rate r{index}")) d="M0 5h24" {}
                }
                " " (line.name) " "
            }
        }
    }
}

/// Scores of several sides in the same windows with one limit: a line each, interrupted where a side has no score.
#[must_use]
pub fn score_lines(
    id: &str,
    lines: &[(String, Vec<Option<f64>>)],
    limit: f64,
    ends: (&str, &str),
    sentence: &str,
) -> Markup {
    let scores = lines.iter().flat_map(|(_, values)| values).flatten();
    let most = scores.copied().filter(|score| score.is_finite()).fold(limit * 1.2, f64::max).max(1e-12);
    let y = |score: f64| TOP + HEIGHT - (score / most).clamp(0.0, 1.0) * HEIGHT;
    let inside = html! {
        path.limit d=(format!("M0 {}h{}", at(y(limit)), at(WIDTH))) {}
        @for (index, (_, values)) in lines.iter().enumerate() {
            path class=(format!("rate r{index}")) d=(interrupted(values, y)) {}
        }
    };
    // Labels that would lie on one another are left out: that of the limit has a line.
    let mut labels = vec![(TOP + HEIGHT, "0".to_owned())];
    if TOP + HEIGHT - y(limit) > 12.0 {
        labels.push((y(limit), short(limit)));
    }
    if y(limit) - TOP > 14.0 {
        labels.push((TOP, short(most)));
    }
    html! {
        (frame(id, ends, &labels, sentence, &inside))
        p.key {
            @for (index, (name, _)) in lines.iter().enumerate() {
                svg.stroke viewBox="0 0 24 10" aria-hidden="true" focusable="false" {
                    path class=(format!("rate r{index}")) d="M0 5h24" {}
                }
                " " (name) " "
            }
        }
    }
}

/// A line through the values that are there; one without neighbours is a short stroke.
fn interrupted(values: &[Option<f64>], y: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let half = slot(values.len()) / 4.0;
    let mut drawing = false;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value else {
            drawing = false;
            continue;
        };
        let (x, y) = (middle(index, values.len()), y(*value));
        let _infallible = if drawing {
            write!(path, "L{} {}", at(x), at(y))
        } else {
            write!(path, "M{} {}h{}", at(x - half), at(y), at(half))
        };
        drawing = true;
    }
    path
}

/// How many records each window has, as bars.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts, for a chart")]
pub fn record_bars(id: &str, counts: &[u64], ends: (&str, &str), sentence: &str) -> Markup {
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let width = slot(counts.len());
    let mut path = String::new();
    for (index, count) in counts.iter().enumerate() {
        let height = (*count as f64 / most * HEIGHT).max(if *count > 0 { 0.7 } else { 0.0 });
        rectangle(
            &mut path,
            middle(index, counts.len()) - width * 0.4,
            TOP + HEIGHT - height,
            width * 0.8,
            height,
        );
    }
    let inside = html! { path.base d=(path) {} };
    frame(id, ends, &[(TOP, short(most)), (TOP + HEIGHT, "0".to_owned())], sentence, &inside)
}

fn polyline(values: &[f64], y: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    for (index, value) in values.iter().enumerate() {
        let step = if index == 0 { 'M' } else { 'L' };
        let _infallible = write!(path, "{step}{} {}", at(middle(index, values.len())), at(y(*value)));
    }
    if values.len() == 1 {
        path.push_str("h0");
    }
    path
}

/// Scores as a small line with the limit, for a table; decorative, since the row says the same in words.
#[must_use]
pub fn spark(values: &[Option<f64>], limit: f64) -> Markup {
    let most = values.iter().flatten().copied().fold(limit * 1.2, f64::max).max(1e-12);
    #[expect(clippy::cast_precision_loss, reason = "some dozen windows")]
    let step = 120.0 / values.len().max(1) as f64;
    let y = |value: f64| 26.0 - (value / most).clamp(0.0, 1.0) * 24.0;
    let mut line = String::new();
    let mut drawing = false;
    let mut x = step / 2.0;
    for value in values {
        match value {
            Some(value) => {
                let letter = if drawing { 'L' } else { 'M' };
                let _infallible = write!(line, "{letter}{:.0} {:.0}", x, y(*value));
                if !drawing {
                    line.push_str("h0");
                }
                drawing = true;
            }
            None => drawing = false,
        }
        x += step;
    }
    html! {
        svg.chart.thumb viewBox="0 0 120 28" width="120" height="28" aria-hidden="true" focusable="false" {
            path.limit d=(format!("M0 {}h120", at(y(limit)))) {}
            path.line d=(line) {}
        }
    }
}
