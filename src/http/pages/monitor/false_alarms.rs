//! The account of false alarms, proposals of wider limits, accepted limits.

use maud::{Markup, html};

use super::super::layout::{may_administer, table};
use super::super::words::{encoded, monitor_at, number_of, time};
use crate::http::access::Caller;
use crate::judge::why::{effect_words, number};
use crate::record::grouped;
use crate::view::{AcceptedLimitsView, AccountView, ColumnAlarms, FalseAlarmsView, LimitsView, ProposalView};

/// Columns in the table; all of them are in the API.
const LISTED: usize = 15;
/// Proposals with a form; all of them are in the API.
const PROPOSED: usize = 20;

/// The section.
pub(super) fn false_alarms(view: &FalseAlarmsView, caller: &Caller) -> Markup {
    let (open, others): (Vec<&ProposalView>, Vec<&ProposalView>) =
        view.proposals.iter().partition(|proposal| proposal.is_open());
    html! {
        h2 id="false-alarms" { "False alarms" }
        p.status.(style(&view.recent)) { (view.recent.sentence) }
        @if let Some(budget) = &view.budget { p.soft { "Budget: " (budget) ". People judge alerts on the pages of the alerts; those that nobody judged may be false." } }
        (table("Account of false alarms", &account(view)))
        @if !view.columns.is_empty() {
            h3 { "Columns that carried alerts" }
            (table("Columns that carried alerts", &columns(&view.columns)))
        }
        h3 { "Proposed limits" }
        @if open.is_empty() {
            p.soft { "No wider limits are proposed: " @if others.is_empty() { "no stored alert that was judged a false alarm would fire again." } @else { "see below." } }
        }
        @let shown = open.get(..PROPOSED).unwrap_or(&open);
        @for proposal in shown { (card(view, proposal, caller)) }
        @if shown.len() > 1 && may_administer(caller) { (accept_all(view, shown)) }
        @if open.len() > shown.len() { p.soft { "The API lists the other " (open.len() - shown.len()) " proposals." } }
        @if !others.is_empty() {
            ul {
                @for proposal in others.iter().take(PROPOSED) {
                    li { (of(&proposal.column, &proposal.measure)) ": " (closed(view, proposal, caller)) }
                }
            }
        }
        @if !view.accepted.is_empty() {
            h3 { "Accepted limits" }
            p.soft { "They hold beside the limits of the configuration file: the wider of both." }
            (table("Accepted limits", &accepted(view, caller)))
            @if let Some(toml) = &view.toml {
                details { summary { "As TOML, for the file of the monitor" } pre tabindex="0" { (toml) } }
            }
        }
        p.soft { "The same as JSON: " a href=(format!("/api/v1/monitors/{}/false-alarms", encoded(&view.monitor))) { "false alarms" } "." }
    }
}

fn style(account: &AccountView) -> &'static str {
    match account.budget.as_str() {
        "kept" => "ok",
        "exceeded" => "warn",
        _ => "waiting",
    }
}

fn account(view: &FalseAlarmsView) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Time" }
                th.number.wide scope="col" { "Windows judged" }
                th.number.wide scope="col" { "Alerts" }
                th.number scope="col" { "Real" }
                th.number scope="col" { "False" }
                th.number scope="col" { "Not judged" }
                th.number scope="col" { "Allowed" }
                th scope="col" { "Rate (95 %)" }
            }
        }
        tbody { (row(&format!("last {}", view.period), &view.recent)) (row("all that is stored", &view.stored)) }
    }
}

fn row(name: &str, account: &AccountView) -> Markup {
    let counts = account.alerts;
    html! {
        tr {
            th scope="row" { (name) @if let Some(from) = account.from { ", from " (time(from)) } }
            td.number.wide { (grouped(account.windows)) }
            td.number.wide { (grouped(counts.real + counts.false_alarm + counts.not_judged)) }
            td.number { (grouped(counts.real)) }
            td.number { (grouped(counts.false_alarm)) }
            td.number { (grouped(counts.not_judged)) }
            td.number { (account.allowed.map_or("–".to_owned(), number)) }
            td.words { @if let Some(rate) = &account.rate { (number(rate.lower)) " to " (number(rate.upper)) " per " (rate.per) } @else { "not known" } }
        }
    }
}

fn columns(columns: &[ColumnAlarms]) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Column" }
                th.number scope="col" { "False" }
                th.number scope="col" { "Not judged" }
                th.number scope="col" { "Real" }
            }
        }
        tbody {
            @for ColumnAlarms { column, alerts } in columns.iter().take(LISTED) {
                tr {
                    th.name scope="row" { (column) }
                    td.number { (grouped(alerts.false_alarm)) }
                    td.number { (grouped(alerts.not_judged)) }
                    td.number { (grouped(alerts.real)) }
                }
            }
        }
        @if columns.len() > LISTED {
            tfoot { tr { td colspan="4" { "The API lists the other " (columns.len() - LISTED) " columns." } } }
        }
    }
}

/// A measure of a column.
fn of(column: &str, measure: &str) -> Markup {
    html! { strong { (column) } " " code { (measure) } }
}

fn alerts(proposal: &ProposalView) -> Markup {
    html! {
        @for (index, alert) in proposal.alerts.iter().take(5).enumerate() {
            @if index > 0 { ", " }
            @let id = alert.to_string();
            a href=(format!("/alerts/{id}")) { (id.get(..8).unwrap_or_default()) }
        }
        @if proposal.alerts.len() > 5 { " and " (proposal.alerts.len() - 5) " more" }
    }
}

fn card(view: &FalseAlarmsView, proposal: &ProposalView, caller: &Caller) -> Markup {
    let at = format!("{}/limits/{}", monitor_at(&view.monitor), proposal.id);
    let field = format!("why-{}", proposal.id);
    html! {
        div.card {
            header { h4 { (of(&proposal.column, &proposal.measure)) } }
            dl.facts {
                div { dt { "Limits now" } dd { (proposal.limits.in_words()) } }
                @if let Some(proposed) = proposal.proposed { div { dt { "Proposed" } dd { strong { (proposed.in_words()) } } } }
                div { dt { "Largest effect in false alarms" } dd { (effect_words(proposal.largest_effect)) } }
                div { dt { "Rests on" } dd { (alerts(proposal)) } }
                div { dt { "On stored alerts" } dd { (proposal.outcome_in_words()) } }
            }
            @if may_administer(caller) {
                form method="post" action=(format!("{at}/accept")) {
                    label for=(field) { "Comment" }
                    input type="text" id=(field) name="comment" maxlength="1000";
                    button { "Accept" } " "
                    button.plain formaction=(format!("{at}/dismiss")) { "Dismiss" }
                }
            }
        }
    }
}

/// A form that accepts all proposals that are shown.
fn accept_all(view: &FalseAlarmsView, open: &[&ProposalView]) -> Markup {
    let ids: Vec<String> = open.iter().map(|proposal| proposal.id.to_string()).collect();
    html! {
        div.forms {
            form method="post" action=(format!("{}/limits", monitor_at(&view.monitor))) {
                fieldset {
                    legend { (number_of(open.len(), "proposal")) }
                    input type="hidden" name="accept" value=(ids.join(","));
                    label for="why-all" { "Comment" }
                    input type="text" id="why-all" name="comment" maxlength="1000";
                    button { "Accept all" }
                }
            }
        }
    }
}

/// A proposal that nobody is to decide about.
fn closed(view: &FalseAlarmsView, proposal: &ProposalView, caller: &Caller) -> Markup {
    html! {
        @match (&proposal.obstacle, &proposal.dismissed) {
            (Some(obstacle), _) => { (obstacle) "." }
            (None, Some(dismissed)) => {
                @if let Some(proposed) = proposal.proposed { (proposed.in_words()) ", " }
                "dismissed by " (dismissed.by) " " (time(dismissed.at))
                @if !dismissed.comment.is_empty() { ": " (dismissed.comment) }
                @if may_administer(caller) {
                    " "
                    form.inline method="post" action=(format!("{}/limits/{}/accept", monitor_at(&view.monitor), proposal.id)) {
                        button.plain { "Accept" }
                    }
                }
            }
            (None, None) => {}
        }
    }
}

fn accepted(view: &FalseAlarmsView, caller: &Caller) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "Column" }
                th scope="col" { "Measure" }
                th.wide scope="col" { "Configured" }
                th scope="col" { "Accepted" }
                th scope="col" { "By" }
                th scope="col" data-fixed="" { "Withdraw" }
            }
        }
        tbody { @for limits in &view.accepted { (accepted_row(view, limits, caller)) } }
    }
}

fn accepted_row(view: &FalseAlarmsView, limits: &AcceptedLimitsView, caller: &Caller) -> Markup {
    let name = format!("Withdraw {} {}", limits.column, limits.measure);
    html! {
        tr {
            th.name scope="row" { (limits.column) }
            td { code { (limits.measure) } }
            td.wide { (limits.configured.map_or_else(|| "none".to_owned(), LimitsView::in_words)) }
            td.words { (limits.limits.in_words()) @if let Some(note) = &limits.note { " (" (note) ")" } }
            td.words {
                (limits.accepted.by) ", " (time(limits.accepted.at))
                @if !limits.accepted.comment.is_empty() { ": " (limits.accepted.comment) }
            }
            td {
                @if may_administer(caller) {
                    form.inline method="post" action=(format!("{}/limits/{}/withdraw", monitor_at(&view.monitor), limits.id)) {
                        button.plain aria-label=(name) { "Withdraw" }
                    }
                }
            }
        }
    }
}
