//! Changes of single columns, and a monitor whose columns they happen to.

use crate::world::{Change, Column, Latents, uniform, values, zipf};

/// A change of one column.
pub struct Changed {
    pub name: &'static str,
    /// The place of the column.
    pub column: usize,
    pub change: Change,
}

/// 30 columns, all categories of which have bins.
pub fn columns() -> Vec<Column> {
    let mut columns = Vec::new();
    for number in 0..8 {
        columns.push(Column::numbers(&format!("normal_{number}"), values::normal));
    }
    for number in 0..3 {
        columns.push(Column::numbers(&format!("log_normal_{number}"), values::log_normal));
    }
    columns.push(Column::numbers("zeros", values::zeros));
    columns.push(Column::numbers("poisson", values::poisson));
    for (name, nulls) in [("nulls_0", 0.0), ("nulls_1", 0.01), ("nulls_3", 0.03), ("nulls_5", 0.05)] {
        columns.push(Column::numbers(name, values::normal).with_nulls(nulls));
    }
    for share in [0.01, 0.05, 0.1, 0.3, 0.5] {
        columns.push(Column::categories(&format!("yes_{}", share * 100.0), [share, 1.0 - share]));
    }
    columns.push(Column::categories("three", [0.5, 0.3, 0.2]));
    columns.push(Column::categories("ten", uniform(10)));
    columns.push(Column::categories("rare", [0.5, 0.3, 0.17, 0.03]));
    columns.push(Column::categories("ten_unequal", [0.3, 0.2, 0.15, 0.1, 0.07, 0.06, 0.043, 0.037, 0.025, 0.015]));
    columns.push(Column::categories("fifty", zipf(50)));
    while columns.len() < 30 {
        columns.push(Column::categories(&format!("five_{}", columns.len()), zipf(5)));
    }
    columns
}

/// The changes, from those of numbers to those of shares.
pub fn changes() -> Vec<Changed> {
    let columns = columns();
    let place = |name: &str| columns.iter().position(|column| column.name == name).unwrap();
    let mut changes = Vec::new();
    let mut add = |name: &'static str, column: &str, change: Change| {
        changes.push(Changed { name, column: place(column), change });
    };
    let moved = |mean: f64, deviation: f64| Change::Numbers(vec![(1.0, Latents::Normal(mean, deviation))]);
    let mixed = |share: f64, other: Latents| {
        Change::Numbers(vec![(1.0 - share, Latents::Normal(0.0, 1.0)), (share, other)])
    };
    add("normal, mean +0.05 sd", "normal_0", moved(0.05, 1.0));
    add("normal, mean +0.1 sd", "normal_0", moved(0.1, 1.0));
    add("normal, mean +0.2 sd", "normal_0", moved(0.2, 1.0));
    add("normal, mean +0.3 sd", "normal_0", moved(0.3, 1.0));
    add("normal, mean +0.5 sd", "normal_0", moved(0.5, 1.0));
    add("normal, variance x1.2", "normal_1", moved(0.0, 1.2f64.sqrt()));
    add("normal, variance x1.5", "normal_1", moved(0.0, 1.5f64.sqrt()));
    add("normal, variance x2", "normal_1", moved(0.0, 2.0f64.sqrt()));
    add("normal, variance x0.5", "normal_1", moved(0.0, 0.5f64.sqrt()));
    add("2 % stuck at the median", "normal_2", mixed(0.02, Latents::Point(0.0)));
    add("5 % stuck at the median", "normal_2", mixed(0.05, Latents::Point(0.0)));
    add("10 % stuck at the median", "normal_2", mixed(0.1, Latents::Point(0.0)));
    add("20 % stuck at the median", "normal_2", mixed(0.2, Latents::Point(0.0)));
    add("5 % become -1 (log-normal; out of range)", "log_normal_0", mixed(0.05, Latents::Point(-7.0)));
    add("normal becomes t(3) of variance 1", "normal_3", Change::Numbers(vec![(1.0, Latents::HeavyTailed)]));
    add("1 % of values x10", "normal_3", mixed(0.01, Latents::Normal(0.0, 10.0)));
    add("log-normal, scale x1.05", "log_normal_1", moved(1.05f64.ln() / 0.8, 1.0));
    add("log-normal, scale x1.1", "log_normal_1", moved(1.1f64.ln() / 0.8, 1.0));
    add("log-normal, scale x1.25", "log_normal_1", moved(1.25f64.ln() / 0.8, 1.0));
    // The latents of values that are not 0 lie above 0.8416, a fifth of all.
    let fewer_zeros = vec![(0.9375, Latents::Normal(0.0, 1.0)), (0.0625, Latents::Above(0.841_621_233_572_914_3))];
    add("80 % zeros become 75 %", "zeros", Change::Numbers(fewer_zeros));
    add("nulls 1 % to 2 %", "nulls_1", Change::Nulls(0.02));
    add("nulls 3 % to 6 %", "nulls_3", Change::Nulls(0.06));
    add("nulls 5 % to 10 %", "nulls_5", Change::Nulls(0.1));
    add("nulls 0 to 2 %", "nulls_0", Change::Nulls(0.02));
    add("nulls 0 to 5 %", "nulls_0", Change::Nulls(0.05));
    add("yes 1 % to 2 %", "yes_1", Change::Moves(1, 0, 0.01));
    add("yes 1 % to 3 %", "yes_1", Change::Moves(1, 0, 0.02));
    add("yes 5 % to 10 %", "yes_5", Change::Moves(1, 0, 0.05));
    add("yes 10 % to 20 %", "yes_10", Change::Moves(1, 0, 0.1));
    add("yes 30 % to 40 %", "yes_30", Change::Moves(1, 0, 0.1));
    add("yes 50 % to 60 %", "yes_50", Change::Moves(1, 0, 0.1));
    add("3 categories, 1 % moves", "three", Change::Moves(0, 1, 0.01));
    add("3 categories, 3 % moves", "three", Change::Moves(0, 1, 0.03));
    add("3 categories, 5 % moves", "three", Change::Moves(0, 1, 0.05));
    add("3 categories, 10 % moves", "three", Change::Moves(0, 1, 0.1));
    add("10 categories, 3 % moves", "ten", Change::Moves(0, 1, 0.03));
    add("10 categories, 5 % moves", "ten", Change::Moves(0, 1, 0.05));
    add("rare category 3 % to 9 %", "rare", Change::Moves(0, 3, 0.06));
    add("category of 4.3 % disappears", "ten_unequal", Change::Moves(6, 0, 0.043));
    add("new category 0.5 %", "ten", Change::New(0.005));
    add("new category 2 %", "ten", Change::New(0.02));
    add("50 categories, 3 % moves", "fifty", Change::Moves(0, 1, 0.03));
    changes
}
