//! What a content is: what its bytes say, whatever it was said to be.

use super::Error;

/// The most pixels that an image has: unpacked, each takes four bytes wherever it is shown.
pub const MEGAPIXELS: u64 = 50;

/// So much of the beginning tells what it is, also of a photo with a long preface.
pub const HEAD: usize = 512 * 1024;

pub const UNKNOWN: &str = "application/octet-stream";
pub const PDF: &str = "application/pdf";

/// Images that models take.
pub const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// Kinds of text that are told apart by what they are said to be, and by their endings. None of them is ever run.
const TEXTS: &[(&str, &[&str])] = &[
    ("text/plain", &["txt", "text", "log", "conf", "ini", "env"]),
    ("text/markdown", &["md", "markdown"]),
    ("text/csv", &["csv"]),
    ("text/tab-separated-values", &["tsv"]),
    ("application/json", &["json"]),
    ("application/x-ndjson", &["ndjson", "jsonl"]),
    ("application/yaml", &["yaml", "yml"]),
    ("application/toml", &["toml"]),
];

/// `head` is the beginning of the content, all of it where it is shorter than [`HEAD`].
pub fn of(head: &[u8], name: &str, claimed: Option<&str>) -> Result<&'static str, Error> {
    if head.starts_with(b"%PDF-") {
        return Ok(PDF);
    }
    if is_text(head) {
        return Ok(kind_of_text(head, name, claimed));
    }
    let found = infer::get(head).map_or(UNKNOWN, |kind| kind.mime_type());
    if !found.starts_with("image/") {
        return Ok(if found.starts_with("text/") { UNKNOWN } else { found });
    }
    match imagesize::blob_size(head) {
        Ok(size) if (size.width as u64).saturating_mul(size.height as u64) > MEGAPIXELS * 1_000_000 => {
            Err(Error::TooManyPixels)
        }
        Ok(_) => Ok(found),
        // Nobody can tell what it would unpack to.
        Err(_) => Ok(UNKNOWN),
    }
}

/// Whether a model can be given its text.
pub fn is_textual(media_type: &str) -> bool {
    media_type.starts_with("text/") || TEXTS.iter().any(|(text, _)| *text == media_type)
}

fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // Only its end is cut.
        Err(error) if error.error_len().is_none() && head.len() >= HEAD => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{1b}'))
}

fn kind_of_text(head: &[u8], name: &str, claimed: Option<&str>) -> &'static str {
    let markup = infer::get(head).map(|kind| kind.mime_type());
    if let Some(markup @ ("text/html" | "text/xml")) = markup {
        return markup;
    }
    let claimed = claimed.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is_claimed =
        |(text, _): &&(&str, &[&str])| *text != "text/plain" && text.eq_ignore_ascii_case(claimed);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let ends_so =
        |(_, endings): &&(&str, &[&str])| ending.as_ref().is_some_and(|own| endings.contains(&own.as_str()));
    let found = TEXTS.iter().find(is_claimed).or_else(|| TEXTS.iter().find(ends_so));
    found.map_or("text/plain", |(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a PNG, as far as its size.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 6, 0, 0, 0, 1, 2, 3, 4]);
        bytes
    }

    #[test]
    fn the_content_says_what_it_is() {
        let kind = |head: &[u8], name, claimed| of(head, name, claimed).unwrap();
        assert_eq!(kind(&png(10, 10), "a.txt", Some("text/plain")), "image/png");
        assert_eq!(kind(b"<!DOCTYPE html><script>1</script>", "a.png", Some("image/png")), "text/html");
        assert_eq!(kind(b"<?xml version=\"1.0\"?><svg/>", "a.svg", Some("image/svg+xml")), "text/xml");
        assert_eq!(kind(b"<svg onload=alert(1)>", "a.svg", Some("image/svg+xml")), "text/plain");
        assert_eq!(kind(b"alert(1)", "a.js", Some("text/javascript")), "text/plain");
        assert_eq!(kind("Grüße".as_bytes(), "a", None), "text/plain");
        assert_eq!(kind(b"a,b", "a.csv", None), "text/csv");
        assert_eq!(kind(b"# a", "a.txt", Some("text/Markdown; charset=utf-8")), "text/markdown");
        assert_eq!(kind(b"BM is no bitmap", "a.bmp", Some("image/bmp")), "text/plain");
        assert_eq!(kind(b"%PDF-1.7\n", "a.txt", None), "application/pdf");
        assert_eq!(kind(b"PK\x03\x04\x14\0\0\0", "a", None), "application/zip");
        assert_eq!(kind(b"\0\x01\x02", "a.txt", Some("text/plain")), UNKNOWN);
        assert_eq!(kind(&png(10, 10)[..20], "a.png", Some("image/png")), UNKNOWN, "no size");
    }

    #[test]
    fn an_image_that_would_unpack_to_too_much_is_refused() {
        assert!(of(&png(7071, 7071), "a", None).is_ok());
        assert!(matches!(of(&png(7072, 7072), "a", None), Err(Error::TooManyPixels)));
        assert!(matches!(of(&png(u32::MAX, u32::MAX), "a", None), Err(Error::TooManyPixels)));
    }
}
