//! What the sequential detectors of a monitor found.

use maud::{Markup, html};

use super::super::layout::table;
use super::super::words::{encoded, number_of, time};
use crate::judge::why::number;
use crate::record::grouped;
use crate::view::{DetectionRow, DetectionsView};

/// Detections in the table; more are in the API.
const LISTED: usize = 15;

/// The section; nothing for a monitor without detectors and detections.
pub(super) fn detections(view: &DetectionsView) -> Markup {
    if view.detectors.is_empty() && view.detections.is_empty() {
        return html! {};
    }
    html! {
        h2 id="detections" { "Sequential detectors" }
        @if !view.detectors.is_empty() {
            (table("Detectors", &detectors(view)))
        }
        @if view.detections.is_empty() {
            p.soft { "No drift was detected." }
        } @else {
            (table("Detections", &found(&view.detections)))
        }
        p.soft { "The same as JSON: " a href=(format!("/api/v1/monitors/{}/detections", encoded(&view.monitor))) { "detections" } "." }
    }
}

fn detectors(view: &DetectionsView) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Detector" }
                th scope="col" { "Kind" }
                th scope="col" { "Reads" }
                th.number scope="col" { "Values" }
                th.number.wide scope="col" { "Skipped" }
                th.wide scope="col" { "States" }
            }
        }
        tbody {
            @for detector in &view.detectors {
                tr {
                    th.name scope="row" { (detector.name) }
                    td { (detector.kind.title()) }
                    td { (detector.input) }
                    td.number { (grouped(detector.values)) }
                    td.number.wide { (grouped(detector.skipped)) }
                    td.wide {
                        @if detector.on == "records" { (number_of(detector.states, "partition")) } @else { (detector.states) " series" }
                    }
                }
            }
        }
    }
}

fn found(detections: &[DetectionRow]) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Event time" }
                th scope="col" { "Detector" }
                th scope="col" { "Column" }
                th.number scope="col" { "Before" }
                th.number scope="col" { "After" }
                th scope="col" { "Found in" }
                th.wide scope="col" { "Because" }
            }
        }
        tbody {
            @for row in detections.iter().take(LISTED) {
                tr {
                    td { (time(row.at)) }
                    th.name scope="row" { (row.detector) }
                    td { (row.column) }
                    td.number title=(row.kind.level()) { (number(row.before)) }
                    td.number title=(row.kind.level()) { (number(row.after)) }
                    td { (row.place()) }
                    td.wide { (row.kind.statistic()) " " (number(row.statistic)) ", limit " (number(row.limit)) }
                }
            }
        }
    }
}
