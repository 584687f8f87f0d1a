//! Retraining, pure: whether one is asked for ([`decide`]), and the life of a request ([`RequestState`]).

mod policy;
mod request;

pub use policy::{RetrainDecision, RetrainPolicy, Situation, decide, request_id};
pub use request::{
    LISTED_WINDOWS, RequestState, RetrainingEvent, Step, StepError, StepOutcome, TrainingRange, evidence_pack,
};

#[cfg(test)]
mod tests;
