//! driftd
pub mod alert;
pub mod baseline;
pub mod binning;
pub mod config;
pub mod decision;
pub mod distribution;
#[cfg(debug_assertions)]
pub mod faults;
pub mod judge;
pub mod measure;
pub mod record;
pub mod retrain;
pub mod store;
pub mod window;
