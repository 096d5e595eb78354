//! The engine: inspects files, plans pipelines over them, runs them, and writes results; free of Python.
//!
//! JSON and URLs come in, a [`JobHandle`] goes out. See [`scan`] for the rules about dirty text, [`plan`] for the steps,
//! [`sink`] for the formats, [`error`] for the codes.

#![allow(clippy::single_match_else, reason = "two arms side by side read better than `if let` with a long `else`")]

pub mod cancel;
mod direct;
pub mod error;
mod exec;
pub mod execute;
mod folder;
mod group;
mod guard;
mod hash;
pub mod input;
pub mod inspect;
mod job;
mod local;
mod network;
pub mod open;
mod output;
mod parts;
pub mod plan;
mod preview;
mod profile;
pub mod progress;
pub mod pull;
pub mod report;
pub mod request;
mod rows;
pub mod scan;
pub mod session;
pub mod sink;
mod sort;
pub mod store;
mod task;
mod threads;
pub mod types;

pub use error::{EngineError, ErrorClass, ErrorCode, Result};
pub use job::{JobHandle, inspect_blocking, preview_blocking, schema_diff_blocking, submit, submit_profile};
pub use karyaksham_spec::did_you_mean;
