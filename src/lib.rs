//! driftd
pub mod alert;
pub mod app;
pub mod baseline;
pub mod binning;
pub mod cli;
pub mod config;
pub mod decision;
pub mod distribution;
#[cfg(debug_assertions)]
pub mod faults;
pub mod http;
pub mod judge;
pub mod kafka;
pub mod measure;
pub mod notify;
pub mod record;
pub mod retrain;
pub mod store;
pub mod supervisor;
pub mod telemetry;
pub mod window;
