//! Summary → bytes.

pub mod alert;
#[cfg(feature = "aws")]
pub mod emf;
pub mod json;
pub mod text;
