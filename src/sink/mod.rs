//! Summary → bytes.

pub mod json;
pub mod text;
