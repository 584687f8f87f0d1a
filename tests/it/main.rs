//! The one integration binary. What needs services says plainly that it was skipped when they are not given;
//! `make test` gives them.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::format_collect,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "tests say what is wrong by panicking"
)]

mod alerts;
mod amended;
mod architecture;
mod availability;
mod backfill;
mod broker;
mod challenger;
mod command_line;
mod compiled_in;
mod configuration;
mod crash;
mod crowds;
mod damage;
mod deliveries;
mod demo;
mod detectors;
mod disagreement;
mod documentation;
mod end_to_end;
mod episodes;
mod export;
mod false_alarms;
mod files;
mod golden;
mod listener;
mod nemesis;
mod operations;
mod positions;
mod practice;
mod references;
mod rehearsal;
mod retention;
mod roles;
mod secured;
mod seeing;
mod sending;
mod sliding;
mod slow_drift;
mod starting;
mod store;
mod support;
mod unit_file;
mod volume;
mod why;
