//! Settings that are whole numbers, each known by its name.

use thiserror::Error;

/// Makes a struct of counts of at least 1, each with its default, and the means to set one by its name.
macro_rules! counts {
    ($(#[$doc:meta])* $type:ident: $($(#[$field_doc:meta])* $name:ident = $default:literal;)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $type {
            $($(#[$field_doc])* pub $name: u64,)*
        }

        impl Default for $type {
            fn default() -> $type {
                $type { $($name: $default,)* }
            }
        }

        impl $type {
            /// Their names, as in a configuration file; in capitals, those of the environment variables.
            pub const NAMES: &[&str] = &[$(stringify!($name),)*];

            /// Sets one by its name. `None` if none has this name.
            ///
            /// # Errors
            /// Where the value is not a whole number of at least 1.
            pub fn set(&mut self, name: &str, value: &str) -> Option<Result<(), $crate::counts::NotACount>> {
                let count = match name {
                    $(stringify!($name) => &mut self.$name,)*
                    _ => return None,
                };
                Some($crate::counts::count(name, value).map(|value| *count = value))
            }
        }
    };
}

pub(crate) use counts;

/// A value that is not a whole number of at least 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name} is {value:?}, but must be an integer from 1 to {}", i64::MAX)]
pub struct NotACount {
    name: String,
    value: String,
}

/// TOML's integers end at 2^63 − 1; the environment's then do as well.
pub(crate) fn count(name: &str, value: &str) -> Result<u64, NotACount> {
    let count = value.parse::<i64>().ok().filter(|count| *count >= 1).map(i64::unsigned_abs);
    count.ok_or_else(|| NotACount { name: name.to_owned(), value: value.to_owned() })
}
