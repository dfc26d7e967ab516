//! Whether parts and pictures are still those that a line was calibrated with: pure functions, no HTTP, no storage.
//!
//! A promise holds for parts like the calibration parts. An alarm says that they are not alike any more: then the
//! promise is suspended.
//!
//! | monitor | sees | after |
//! |---|---|---|
//! | [`camera`] | light, focus, overexposure | one picture |
//! | [`martingale`] | any change of the scores | tens to hundreds of parts |
//! | [`stability`] | a change of the scores' distribution | a window of 500 parts or more |

pub mod camera;
pub mod martingale;
pub mod stability;
