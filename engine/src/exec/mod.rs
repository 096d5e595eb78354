//! Operators of our own, for what DataFusion has none: `sample`, `expect` and `distinct`.
//!
//! Each takes rows of one partition, in order, and passes some of them on, in order. [`node`] is their place in logical
//! plans, [`planner`] makes them executable, [`gate`] is what they have in common.
//!
//! A plan may be executed more than once (a self-join reads its input twice): each operator can be, and books its rejects
//! with the first execution only.

pub(crate) mod distinct;
pub(crate) mod expect;
mod gate;
mod guard;
mod node;
mod planner;
mod sample;

pub(crate) use expect::{ExpectExec, Expectation};
pub(crate) use gate::ROWS_IN;
pub(crate) use node::{Op, StepNode};
pub(crate) use planner::StepPlanner;
pub(crate) use sample::{Sampling, random_seed};
