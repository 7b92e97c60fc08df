//! Patterns of keys, as the rules of EventBridge have them: an asterisk stands for any characters, slashes too.
//!
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html#eb-filtering-wildcard-matching>

/// Reports whether a key has this pattern. Takes time in proportion to the product of both lengths at most.
pub fn matches(pattern: &str, key: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|beginning| key.strip_prefix(beginning)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        // The first occurrence leaves the most for the other parts.
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn an_asterisk_stands_for_any_characters() {
        let key = "network/AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/11/23/x.log.gz";
        for pattern in ["*", "network/AWSLogs/*vpcflowlogs/*.log*", "network/*/vpcflowlogs/us-east-1/*.gz", key, "n*z"]
        {
            assert!(matches(pattern, key), "{pattern}");
        }
        for pattern in ["", "AWSLogs/*", "network/*eu-west-1/*", "*.parquet", "network/AWSLogs/", "*x.log.gz*gz"] {
            assert!(!matches(pattern, key), "{pattern}");
        }
        assert!(matches("a*a", "aa") && !matches("a*a", "a"), "the ends do not overlap");
        assert!(matches("a*b*c", "abbc") && matches("", "") && matches("*", ""));
    }
}
