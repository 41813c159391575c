//! What the mails say. Names of tools and agents come from elsewhere, so nothing in them is left invisible.

use std::fmt::Write;

use crate::chat::approval::Approval;

const NAME_CHARS: usize = 100;

/// A subject and a text of plain lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub subject: String,
    pub text: String,
}

impl Letter {
    pub fn code(code: &str) -> Self {
        Self {
            subject: "Your code for Weir".to_owned(),
            text: format!(
                "Somebody wants to be written to at this address, and it counts once they have entered this code:\n\n\
                 {code}\n\nIt counts for 15 minutes. If that was not you, do nothing.\n"
            ),
        }
    }

    /// `url` is that of the page. There is no link that decides.
    pub fn approvals(approvals: &[Approval], url: &str) -> Self {
        let subject = match approvals {
            [one] => format!("A call of {} waits for you", visible(&one.tool)),
            many => format!("{} calls of tools wait for you", many.len()),
        };
        let mut text = String::new();
        for approval in approvals {
            let (agent, tool) = (visible(&approval.context.agent), visible(&approval.tool));
            let (id, until) = (approval.id, approval.expires_at);
            writeln!(text, "The agent {agent} wants to call {tool}. Look at it and decide until {until}:")
                .and_then(|()| writeln!(text, "{url}/approvals/{id}\n"))
                .expect("a string takes everything");
        }
        text.push_str("You get this because you may decide about these calls. Your account says whether you want such mails.\n");
        Self { subject, text }
    }
}

/// A name with whatever would not be seen, or would turn the line around, spelt out.
fn visible(name: &str) -> String {
    let mut shown = String::new();
    for c in name.chars().take(NAME_CHARS) {
        match is_hidden(c) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
    }
    shown
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_invisible_or_ends_its_line() {
        for (name, shown) in [
            ("refund", "refund"),
            ("Größe 漢", "Größe 漢"),
            ("a\r\nBcc: all@example.com", "a\\u{d}\\u{a}Bcc: all@example.com"),
            ("\u{202e}dnufer", "\\u{202e}dnufer"),
            ("a\u{200b}b", "a\\u{200b}b"),
        ] {
            assert_eq!(visible(name), shown);
        }
        assert_eq!(visible(&"x".repeat(1000)).len(), NAME_CHARS);
    }
}
