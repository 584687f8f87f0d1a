//! Tables of numbers that other libraries computed on real data, and what driftd says on the same rows.

mod faults;
mod laws;
mod presets;
mod scipy;
mod streaming;
mod tables;
mod variation;
