//! Keys as events encode them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The key that a notification tells in the encoding of HTML forms: `+` is a space, `%3D` is `=`.
///
/// AWS leaves `/` as it is, others encode it; some encode nothing. So an invalid escape stands for itself, and a key
/// whose escapes make no UTF-8 was not encoded at all.
pub fn decode_form_key(key: &str) -> String {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map_or_else(|_| key.to_owned(), Cow::into_owned)
}

/// What the key would be if it were encoded, where that is another one.
pub fn alternate_key(key: &str) -> Option<String> {
    Some(decode_form_key(key)).filter(|decoded| decoded != key && !decoded.is_empty())
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_decoded_as_forms_are() {
        assert_eq!(decode_form_key("red+flower%2B.jpg"), "red flower+.jpg");
        assert_eq!(decode_form_key("a%2Fb%3Dc/d"), "a/b=c/d");
        assert_eq!(decode_form_key("%C3%A9t%c3%a9"), "été");
        assert_eq!(decode_form_key("100%"), "100%");
        assert_eq!(decode_form_key("100%zz%4"), "100%zz%4");
        assert_eq!(decode_form_key("a+b%FF"), "a+b%FF");
        assert_eq!(decode_form_key("%252B"), "%2B");
    }

    #[test]
    fn another_reading_is_one_that_differs() {
        assert_eq!(alternate_key("a+b%41").as_deref(), Some("a bA"));
        assert_eq!(alternate_key("a/b=c 100%"), None);
        assert_eq!(alternate_key("a+b%FF"), None);
    }

    proptest! {
        #[test]
        fn encoded_keys_come_back(key in "\\PC{0,60}") {
            let encoded = utf8_percent_encode(&key, NON_ALPHANUMERIC).to_string().replace("%20", "+");
            prop_assert_eq!(decode_form_key(&encoded), key);
        }
    }
}
