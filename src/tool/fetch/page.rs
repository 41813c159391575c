//! What was answered, and what of it is text.

use encoding_rs::{Encoding, UTF_8};
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};

const MOST_BYTES: usize = 5 << 20;
/// Of HTML so much is turned into text.
const MOST_HTML_BYTES: usize = 1 << 20;
/// In which a page of HTML says its encoding (HTML Living Standard, 13.2.3.2).
const PRESCAN: usize = 1024;
/// A text is folded at so many characters; links are not.
const WIDTH: usize = 100;

/// The time that a parser takes grows with the square of how many elements are open at once.
const DEEPEST: usize = 1000;

/// They end by themselves, or at once.
const UNNESTED: [&str; 31] = [
    "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "optgroup",
    "option", "p", "param", "rp", "rt", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track",
    "wbr", "html", "head", "body",
];

/// What stands in them are no tags.
const RAW: [&str; 6] = ["script", "style", "textarea", "title", "noscript", "iframe"];

pub struct Page {
    /// Without its parameters, in lower case.
    media_type: String,
    charset: Option<&'static Encoding>,
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Page {
    pub async fn read(mut response: Response) -> Result<Self, String> {
        let header =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !matches!(header(CONTENT_ENCODING), "" | "identity") {
            return Err("the page was sent compressed, which was not asked for".to_owned());
        }
        let content_type = header(CONTENT_TYPE).to_ascii_lowercase();
        let mut fields = content_type.split(';').map(str::trim);
        let media_type = fields.next().unwrap_or_default().to_owned();
        let charset = fields.find_map(|field| field.strip_prefix("charset="));
        let charset = charset.and_then(|label| Encoding::for_label(label.trim_matches('"').as_bytes()));
        let mut page = Self { media_type, charset, bytes: Vec::new(), is_cut: false };
        if !page.is_text() {
            let size = response
                .content_length()
                .map_or("of unknown size".to_owned(), |size| format!("{size} bytes"));
            return Err(format!("that is {} ({size}), and only text can be read", page.media_type));
        }
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = MOST_BYTES - page.bytes.len();
                    page.bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        page.is_cut = true;
                        return Ok(page);
                    }
                }
                Ok(None) => return Ok(page),
                Err(_) => return Err("the page broke off".to_owned()),
            }
        }
    }

    fn is_html(&self) -> bool {
        matches!(self.media_type.as_str(), "text/html" | "application/xhtml+xml")
    }

    /// What says nothing of itself may be text.
    fn is_text(&self) -> bool {
        let kind = self.media_type.as_str();
        kind.is_empty()
            || kind.starts_with("text/")
            || kind.ends_with("+json")
            || kind.ends_with("+xml")
            || matches!(
                kind,
                "application/json" | "application/xml" | "application/javascript" | "application/x-ndjson"
            )
    }

    pub fn into_text(self) -> Result<String, String> {
        if self.media_type.is_empty() && self.bytes.contains(&0) {
            return Err(format!("that is no text ({} bytes)", self.bytes.len()));
        }
        let declared = self.charset.or_else(|| self.is_html().then(|| declared(&self.bytes)).flatten());
        // A byte order mark beats both.
        let (text, _, _) = declared.unwrap_or(UTF_8).decode(&self.bytes);
        let mut text = match self.is_html() {
            true => readable(&text[..text.floor_char_boundary(MOST_HTML_BYTES)])?,
            false => text.into_owned(),
        };
        let most = if self.is_html() { MOST_HTML_BYTES } else { MOST_BYTES };
        if self.is_cut || self.bytes.len() > most {
            text.push_str(&format!("\n[the page has more than {most} bytes, and what follows was not read]"));
        }
        Ok(text)
    }
}

fn readable(html: &str) -> Result<String, String> {
    if deepest(html) > DEEPEST {
        return Err("the page is nested too deeply to be read".to_owned());
    }
    let config = html2text::config::plain().no_table_borders().link_footnotes(true).allow_width_overflow();
    let text = config.string_from_read(html.as_bytes(), WIDTH);
    text.map_err(|_| "the page is no HTML that can be read".to_owned())
}

/// What `<meta charset>` says, or its older form.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(PRESCAN)]).to_ascii_lowercase();
    let (_, after) = head.split_once("charset=")?;
    let label: String =
        after.trim_start_matches(['"', '\'', ' ']).chars().take_while(|c| !"\"'/>; ".contains(*c)).collect();
    Encoding::for_label(label.as_bytes())
}

/// How many elements are open at once at most, or more than that: a tag that may stand in a comment, in a script or in
/// an attribute opens what it names and closes nothing.
fn deepest(html: &str) -> usize {
    let lower = html.to_ascii_lowercase();
    let (mut open, mut most) = (Vec::new(), 0);
    // Up to where nothing is closed.
    let mut shut = 0;
    let mut next = 0;
    while let Some(at) = html[next..].find('<').map(|at| next + at) {
        let tag = &html[at + 1..];
        next = at + 1;
        if let Some(comment) = tag.strip_prefix("!--") {
            shut = shut.max(comment.find("-->").map_or(html.len(), |end| at + 4 + end));
            continue;
        }
        let (ends, name) = tag.strip_prefix('/').map_or((false, tag), |name| (true, name));
        let length = name.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let name = name[..length].to_ascii_lowercase();
        if name.is_empty() || UNNESTED.contains(&name.as_str()) {
            continue;
        }
        if !ends {
            shut = shut.max(at + tag_length(&html[at..]));
            if RAW.contains(&name.as_str()) {
                let end = lower[at..].find(&format!("</{name}"));
                shut = shut.max(end.map_or(html.len(), |end| at + end));
            }
            open.push(name);
            most = most.max(open.len());
            if most > DEEPEST {
                break;
            }
        } else if at >= shut && open.last().is_some_and(|last| *last == name) {
            open.pop();
        }
    }
    most
}

/// Up to the `>` that ends the tag, behind whatever is quoted in it.
fn tag_length(tag: &str) -> usize {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(begun), byte) if begun == byte => quote = None,
            _ => {}
        }
    }
    tag.len()
}

#[cfg(test)]
mod tests {
    use super::deepest;

    #[test]
    fn no_tag_that_may_stand_elsewhere_makes_a_page_look_flat() {
        assert_eq!(deepest("<div><p>a<br><b>c</b></div><div><i>d</i></div>"), 2);
        assert_eq!(deepest("<script>if (a < b) { '</div>' }</script><div></div>"), 1);
        for deep in [
            "<div><!--</div>-->",
            "<div title=\"</div>\">",
            "<div><script></div></script>",
            "<div><object></div></object>",
            "<div><style></div></style>",
        ] {
            assert!(deepest(&deep.repeat(2000)) > super::DEEPEST, "{deep}");
        }
    }
}
