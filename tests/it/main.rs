//! The one integration binary. What needs services says plainly that it was skipped when they are not given;
//! `make test` gives them.

mod architecture;
mod configuration;
mod crash;
mod end_to_end;
mod golden;
mod support;
mod unit_file;
