//! driftd
pub mod binning;
pub mod distribution;
pub mod record;
pub mod window;
