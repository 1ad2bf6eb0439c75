//! The second signature of page links, `sign`: HMAC-SHA-256 over names and values (D-T11).
//!
//! What is signed is text in UTF-8, lines that end with a line feed: first `page=` and the page's name in lower case, then one
//! line `name=value` for each parameter with a value, `token` and `sign` left out; names in lower case without blanks around
//! them, values decoded and otherwise untouched, lines in the order of their names' bytes. The key is the secret in UTF-8, the
//! result hexadecimal. Unlike the token, it binds names, their values and the page to each other.

use ring::hmac;

use super::page::Page;

/// What is signed.
fn canonical<'v>(page: Page, parameters: impl Iterator<Item = (&'v str, &'v str)>) -> String {
    let named = parameters.map(|(name, value)| (name.trim().to_ascii_lowercase(), value));
    let mut lines: Vec<(String, &str)> =
        named.filter(|(name, value)| !value.is_empty() && name != "token" && name != "sign").collect();
    lines.sort();
    let mut text = format!("page={}\n", page.name().to_ascii_lowercase());
    for (name, value) in lines {
        text.push_str(&name);
        text.push('=');
        text.push_str(value);
        text.push('\n');
    }
    text
}

/// The signature in lower-case hexadecimal digits.
pub fn link_signature<'v>(page: Page, parameters: impl Iterator<Item = (&'v str, &'v str)>, secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex::encode(hmac::sign(&key, canonical(page, parameters).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [(&str, &str); 4] =
        [("CustomerGuid", "g"), (" MedRecNO ", "MR 1"), ("UserName", ""), ("Timestamp", "1700000000")];

    #[test]
    fn d_t11_what_is_signed_is_written_line_by_line() {
        let text = canonical(Page::ClinicExam, VALUES.into_iter());
        assert_eq!(text, "page=clinicexam\ncustomerguid=g\nmedrecno=MR 1\ntimestamp=1700000000\n");
    }

    #[test]
    fn d_t11_order_empty_values_and_signatures_change_nothing() {
        let signed = link_signature(Page::ClinicExam, VALUES.into_iter(), "secret-of-this-test");
        let others = [("TOKEN", "x"), ("sign", "y")].into_iter().chain(VALUES.into_iter().rev());
        assert_eq!(link_signature(Page::ClinicExam, others, "secret-of-this-test"), signed);
    }
}
