//! Column orders of inputs without a header, by the beginning of their URIs.

use crate::config::{ConfigError, value_text};
use crate::record::format::{Format, FormatError};
use crate::sanitize::{NAME_CHARACTERS, quoted};

/// Name of the table in a configuration file.
pub const LOG_FORMATS: &str = "log_formats";

/// Column orders by prefix of an input's URI. Where several prefixes match, the longest one applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFormats(Vec<(String, Format)>);

impl LogFormats {
    /// Returns the column order of an input: that of the longest prefix of its URI, or `None` if no prefix matches.
    pub fn format_for(&self, uri: &str) -> Option<&Format> {
        let matching = self.0.iter().filter(|(prefix, _)| uri.starts_with(prefix));
        matching.max_by_key(|(prefix, _)| prefix.len()).map(|(_, format)| format)
    }

    /// Parses the table of a configuration file.
    pub(super) fn from_toml(value: &toml::Value) -> Result<LogFormats, ConfigError> {
        let not_a_table = || ConfigError::NotATable { value: quoted(&value_text(value), NAME_CHARACTERS) };
        let table = value.as_table().ok_or_else(not_a_table)?;
        table.iter().map(|(prefix, value)| entry(prefix, value)).collect::<Result<_, _>>().map(LogFormats)
    }
}

fn entry(prefix: &str, value: &toml::Value) -> Result<(String, Format), ConfigError> {
    if prefix.is_empty() {
        return Err(ConfigError::EmptyPrefix);
    }
    let invalid = |error: FormatError| ConfigError::InvalidFormat {
        prefix: quoted(prefix, NAME_CHARACTERS),
        value: value.as_str().map_or_else(|| value_text(value), |text| quoted(text, NAME_CHARACTERS)),
        allowed: error.to_string(),
    };
    // Anything but text has no field, so it is the same error as an empty text.
    let format = Format::from_setting(value.as_str().unwrap_or_default()).map_err(invalid)?;
    Ok((prefix.to_owned(), format))
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, ConfigError, LogFormats};

    fn parse(toml: &str) -> Result<LogFormats, ConfigError> {
        Config::from_toml(toml).map(|config| config.log_formats)
    }

    fn error(toml: &str) -> String {
        parse(toml).expect_err("invalid").to_string()
    }

    #[test]
    fn the_longest_matching_prefix_applies() {
        let toml = "[log_formats]\n\
            \"s3://logs/\" = \"version srcaddr\"\n\
            \"s3://logs/team/\" = \"${version} ${dstaddr}\"\n\
            \"s3://logs/team/special.log\" = \"srcport\"\n\
            \"cloudwatch-logs:/vpc/\" = \"action\"\n\
            \"logs/\" = \"protocol\"\n";
        let formats = parse(toml).expect("valid");
        let names = |uri: &str| formats.format_for(uri).map(|format| format.names().join(" "));
        assert_eq!(names("s3://logs/x.log").as_deref(), Some("version srcaddr"));
        assert_eq!(names("s3://logs/team/x.log").as_deref(), Some("version dstaddr"));
        assert_eq!(names("s3://logs/team/special.log").as_deref(), Some("srcport"));
        assert_eq!(names("cloudwatch-logs:/vpc/flow/eni-1-all:1-2").as_deref(), Some("action"));
        assert_eq!(names("logs/x.log").as_deref(), Some("protocol"));
        for other in ["s3://logs", "s3://logs2/x", "cloudwatch-logs:/vpc", "./logs/x.log", "-", ""] {
            assert_eq!(names(other), None, "{other}");
        }
        assert_eq!(parse("").expect("valid"), LogFormats::default());
        assert_eq!(parse("[log_formats]").expect("valid"), LogFormats::default());
    }

    #[test]
    fn errors_name_the_prefix_and_what_is_allowed() {
        let unknown = error("[log_formats]\n\"s3://logs/\" = \"version srcadr\"");
        assert_eq!(
            unknown,
            "log_formats of \"s3://logs/\" is \"version srcadr\", but must be a list of flow log fields, separated by \
             spaces, such as \"${version} ${srcaddr} ${dstaddr}\"; unknown field \"srcadr\", did you mean \"srcaddr\"?"
        );
        for value in ["7", "[\"version\"]", "\"\"", "{ a = \"version\" }", "true"] {
            let error = error(&format!("[log_formats]\n\"s3://logs/\" = {value}"));
            assert!(error.starts_with("log_formats of \"s3://logs/\" is "), "{error}");
            assert!(error.contains(", but must be a list of flow log fields, separated by spaces"), "{error}");
        }
        let empty = error("[log_formats]\n\"\" = \"version\"");
        assert!(empty.starts_with("log_formats has an empty prefix"), "{empty}");
        // Without quotes a dot makes a table of its own.
        let unquoted = error("[log_formats]\nlogs.txt = \"version\"");
        assert!(unquoted.starts_with("log_formats of \"logs\" is table, but must be a list"), "{unquoted}");
        let not_a_table = error("log_formats = \"version\"");
        assert!(
            not_a_table.starts_with("log_formats is \"'version'\", but must be a table of prefixes"),
            "{not_a_table}"
        );
    }
}
