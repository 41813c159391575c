//! The part of a text that a model is shown at once.

use reqwest::Url;

const BYTES: usize = 32 << 10;

/// From the character at or behind the byte `start`; says where to go on.
pub fn of(url: &Url, text: &str, start: u64) -> Result<String, String> {
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    if start > text.len() {
        return Err(format!("the text has {} bytes, and none at {start}", text.len()));
    }
    let start = text.ceil_char_boundary(start);
    let end = text.floor_char_boundary(start.saturating_add(BYTES).min(text.len()));
    let rest = match end < text.len() {
        true => format!("\n[cut: bytes {start} to {end} of {}; go on with start = {end}]", text.len()),
        false => String::new(),
    };
    Ok(format!("{url}\n\n{}{rest}", &text[start..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_windows_are_the_text_and_none_cuts_a_character() {
        let (url, text) = (Url::parse("https://example.com/").unwrap(), "ä".repeat(BYTES));
        let (mut start, mut read) = (0, String::new());
        loop {
            let shown = of(&url, &text, start).unwrap();
            let (_, body) = shown.split_once("\n\n").unwrap();
            let (part, rest) = body.split_once("\n[cut").unwrap_or((body, ""));
            read.push_str(part);
            match rest.rsplit_once("start = ") {
                Some((_, next)) => start = next.trim_end_matches(']').parse().unwrap(),
                None => break,
            }
        }
        assert_eq!(read, text);
        assert!(of(&url, &text, text.len() as u64).is_ok());
        assert_eq!(of(&url, "abc", 4), Err("the text has 3 bytes, and none at 4".to_owned()));
        // In the middle of a character the next one is meant.
        assert!(of(&url, "äb", 1).unwrap().ends_with("\n\nb"));
    }
}
