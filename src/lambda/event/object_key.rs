//! Decodes object keys in events.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Decodes the key of a notification, which is encoded like an HTML form: `+` is a space, `%3D` is `=`.
///
/// AWS does not encode `/`; other senders do, and some encode nothing. So an invalid escape is kept as it is, and a key whose
/// escapes are not valid UTF-8 was not encoded at all.
pub fn decode_form_key(key: &str) -> String {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map_or_else(|_| key.to_owned(), Cow::into_owned)
}

/// Returns the decoded key, if it differs.
pub fn alternate_key(key: &str) -> Option<String> {
    Some(decode_form_key(key)).filter(|decoded| decoded != key && !decoded.is_empty())
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_decoded_like_html_forms() {
        assert_eq!(decode_form_key("red+flower%2B.jpg"), "red flower+.jpg");
        assert_eq!(decode_form_key("a%2Fb%3Dc/d"), "a/b=c/d");
        assert_eq!(decode_form_key("%C3%A9t%c3%a9"), "été");
        assert_eq!(decode_form_key("100%"), "100%");
        assert_eq!(decode_form_key("100%zz%4"), "100%zz%4");
        assert_eq!(decode_form_key("a+b%FF"), "a+b%FF");
        assert_eq!(decode_form_key("%252B"), "%2B");
    }

    #[test]
    fn an_alternate_key_differs_from_the_key() {
        assert_eq!(alternate_key("a+b%41").as_deref(), Some("a bA"));
        assert_eq!(alternate_key("a/b=c 100%"), None);
        assert_eq!(alternate_key("a+b%FF"), None);
    }

    proptest! {
        #[test]
        fn decoding_reverses_encoding(key in "\\PC{0,60}") {
            let encoded = utf8_percent_encode(&key, NON_ALPHANUMERIC).to_string().replace("%20", "+");
            prop_assert_eq!(decode_form_key(&encoded), key);
        }
    }
}
