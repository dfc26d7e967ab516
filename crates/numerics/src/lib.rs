//! Computations on vectors, maps, pixels and scores: pure functions. No HTTP, no sessions, no files.
//!
//! A package of its own because it computes much and says little: tests build it optimised, and the program around it fast.

#![warn(missing_docs)]
// Code that input can reach must not panic.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod dot;
pub mod inspection;
pub mod monitors;
pub mod promise;
