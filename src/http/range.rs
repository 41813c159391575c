//! The headers of downloads: one stretch of bytes (RFC 9110, section 14), entity tags, and names (RFC 6266, RFC 8187).

use std::fmt::Write as _;
use std::ops::Range;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stretch {
    /// Also where nothing, or more than one stretch, can be read from the header: it is only a wish.
    Whole,
    /// Not empty.
    Part(Range<u64>),
    /// Behind the end.
    Nowhere,
}

/// What a `Range` asks of a content of that size.
pub fn of(header: &str, size: u64) -> Stretch {
    let digits = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<u64>().ok(),
        false => None,
    };
    let Some((unit, wanted)) = header.split_once('=') else { return Stretch::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Stretch::Whole;
    }
    let Some((first, last)) = wanted.trim().split_once('-') else { return Stretch::Whole };
    let stretch = match (first.is_empty(), last.is_empty(), digits(first), digits(last)) {
        (true, false, _, Some(length)) => size - length.min(size)..size,
        (false, true, Some(first), _) => first..size,
        (false, false, Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        _ => return Stretch::Whole,
    };
    if stretch.is_empty() { Stretch::Nowhere } else { Stretch::Part(stretch) }
}

/// Whether an `If-None-Match` names the tag.
pub fn names(tags: &str, etag: &str) -> bool {
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// A `Content-Disposition` that keeps the name: in plain letters, and as it is.
pub fn attachment(name: &str) -> String {
    let plain = |c: char| if matches!(c, ' ' | '!' | '#'..='[' | ']'..='~') && c != '%' { c } else { '_' };
    let fallback: String = name.chars().map(plain).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte as char),
            _ => write!(encoded, "%{byte:02X}").expect("memory takes it"),
        }
    }
    format!("attachment; filename=\"{fallback}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_stretch_or_none() {
        for (header, expected) in [
            ("bytes=0-0", Stretch::Part(0..1)),
            ("bytes=2-", Stretch::Part(2..10)),
            ("bytes=2-5", Stretch::Part(2..6)),
            ("Bytes = 2-500", Stretch::Part(2..10)),
            ("bytes=-3", Stretch::Part(7..10)),
            ("bytes=-300", Stretch::Part(0..10)),
            ("bytes=9-18446744073709551615", Stretch::Part(9..10)),
            ("bytes=10-", Stretch::Nowhere),
            ("bytes=10-12", Stretch::Nowhere),
            ("bytes=-0", Stretch::Nowhere),
            ("bytes=5-2", Stretch::Whole),
            ("bytes=0-1,4-5", Stretch::Whole),
            ("bytes=-", Stretch::Whole),
            ("bytes=+1-2", Stretch::Whole),
            ("bytes=a-b", Stretch::Whole),
            ("bytes=99999999999999999999-", Stretch::Whole),
            ("lines=1-2", Stretch::Whole),
            ("", Stretch::Whole),
        ] {
            assert_eq!(of(header, 10), expected, "{header}");
        }
        assert_eq!(of("bytes=0-", 0), Stretch::Nowhere);
    }

    #[test]
    fn a_tag_is_found_among_others() {
        assert!(names("\"a\", W/\"b\"", "\"b\"") && names("*", "\"b\"") && !names("\"a\"", "\"b\""));
    }

    #[test]
    fn a_name_breaks_out_of_no_header() {
        assert_eq!(
            attachment("a\"b\\c%d é.txt"),
            "attachment; filename=\"a_b_c_d _.txt\"; filename*=UTF-8''a%22b%5Cc%25d%20%C3%A9.txt"
        );
    }
}
