//! Summary → bytes.

pub mod json;
