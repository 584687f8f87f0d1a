//! driftd
pub mod alert;
pub mod baseline;
pub mod binning;
pub mod distribution;
pub mod judge;
pub mod measure;
pub mod record;
pub mod retrain;
pub mod window;
