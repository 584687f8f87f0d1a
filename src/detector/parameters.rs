//! The parameters of all detectors, and what is known of each kind.

use serde::{Deserialize, Serialize};

use super::{
    AdwinParameters, CusumParameters, DdmParameters, EddmParameters, EwmaParameters, HddmAParameters,
    HddmWParameters, KswinParameters, PageHinkleyParameters,
};

/// Which detector, and its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parameters {
    Adwin(AdwinParameters),
    PageHinkley(PageHinkleyParameters),
    Cusum(CusumParameters),
    Ewma(EwmaParameters),
    Kswin(KswinParameters),
    Ddm(DdmParameters),
    Eddm(EddmParameters),
    HddmA(HddmAParameters),
    HddmW(HddmWParameters),
}

impl Parameters {
    /// Which detector.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Adwin(_) => Kind::Adwin,
            Self::PageHinkley(_) => Kind::PageHinkley,
            Self::Cusum(_) => Kind::Cusum,
            Self::Ewma(_) => Kind::Ewma,
            Self::Kswin(_) => Kind::Kswin,
            Self::Ddm(_) => Kind::Ddm,
            Self::Eddm(_) => Kind::Eddm,
            Self::HddmA(_) => Kind::HddmA,
            Self::HddmW(_) => Kind::HddmW,
        }
    }
}

/// The detectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Adwin,
    PageHinkley,
    Cusum,
    Ewma,
    Kswin,
    Ddm,
    Eddm,
    HddmA,
    HddmW,
}

/// Which values a detector reads; it skips others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Numbers.
    Number,
    /// Numbers from 0 to 1.
    Share,
    /// 0 or 1, where 1 is an error.
    Error,
}

impl Kind {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Adwin,
        Self::PageHinkley,
        Self::Cusum,
        Self::Ewma,
        Self::Kswin,
        Self::Ddm,
        Self::Eddm,
        Self::HddmA,
        Self::HddmW,
    ];

    /// Its name in configurations, tables and events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adwin => "adwin",
            Self::PageHinkley => "page_hinkley",
            Self::Cusum => "cusum",
            Self::Ewma => "ewma",
            Self::Kswin => "kswin",
            Self::Ddm => "ddm",
            Self::Eddm => "eddm",
            Self::HddmA => "hddm_a",
            Self::HddmW => "hddm_w",
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Its name in texts.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Adwin => "ADWIN",
            Self::PageHinkley => "Page-Hinkley",
            Self::Cusum => "CUSUM",
            Self::Ewma => "EWMA",
            Self::Kswin => "KSWIN",
            Self::Ddm => "DDM",
            Self::Eddm => "EDDM",
            Self::HddmA => "HDDM-A",
            Self::HddmW => "HDDM-W",
        }
    }

    /// Which values it reads.
    #[must_use]
    pub fn domain(self) -> Domain {
        match self {
            Self::Adwin | Self::PageHinkley | Self::Cusum | Self::Ewma | Self::Kswin => Domain::Number,
            Self::HddmA | Self::HddmW => Domain::Share,
            Self::Ddm | Self::Eddm => Domain::Error,
        }
    }

    /// What its levels before and after a drift are, in words.
    #[must_use]
    pub fn level(self) -> &'static str {
        match self {
            Self::Adwin | Self::PageHinkley | Self::Cusum | Self::Kswin | Self::HddmA => "mean",
            Self::Ewma | Self::HddmW => "weighted mean",
            Self::Ddm => "error rate",
            Self::Eddm => "distance between errors",
        }
    }

    /// What its limit is compared with, in words.
    #[must_use]
    pub fn statistic(self) -> &'static str {
        match self {
            Self::Adwin | Self::HddmA | Self::HddmW => "difference of means",
            Self::PageHinkley | Self::Cusum => "cumulative sum",
            Self::Ewma => "weighted mean in standard errors",
            Self::Kswin => "p-value",
            Self::Ddm => "error rate plus its standard error",
            Self::Eddm => "distance between errors, relative to its maximum",
        }
    }
}

/// In which direction a change of the mean counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Increases.
    Up,
    /// Decreases.
    Down,
    /// Both.
    #[default]
    Both,
}

impl Direction {
    /// By name.
    pub const ALL: [(&'static str, Self); 3] = [("both", Self::Both), ("up", Self::Up), ("down", Self::Down)];

    pub(super) fn takes_up(self) -> bool {
        self != Self::Down
    }

    pub(super) fn takes_down(self) -> bool {
        self != Self::Up
    }
}
