//! Outputs of tools that are too long for a model: the whole is kept as a file, the model is given its ends.

use tracing::warn;

use super::Shared;
use super::files::Files;
use crate::chat::file::{FileChange, FilePath, OUTPUTS};
use crate::chat::turn::Ending;
use crate::id::{CallId, ConversationId, WorkspaceId};

/// A longer output is kept as a file.
const SHOWN_WHOLE: usize = 32 * 1024;

const HEAD: usize = 16 * 1024;
const TAIL: usize = 4 * 1024;

/// Of a longer output the rest is lost.
const MOST: usize = 8 << 20;

/// The tool with which a model reads the rest.
const READER: &str = "files.read";

/// Where an output came from.
#[derive(Debug, Clone, Copy)]
pub struct CallPlace<'a> {
    pub workspace_id: WorkspaceId,
    pub conversation_id: ConversationId,
    pub call_id: CallId,
    pub agent: &'a str,
}

/// What of an output the model is told, with what else the call did to the conversation's files.
pub(super) async fn succeed(
    shared: &Shared,
    place: CallPlace<'_>,
    output: String,
    mut files: Vec<FileChange>,
) -> Ending {
    if output.len() <= SHOWN_WHOLE {
        return Ending::Succeeded { output, files };
    }
    let kept = match shared.files.get() {
        Some(files) => keep(files, place, &output).await,
        None => None,
    };
    let reads = shared.agents.get(place.agent).is_some_and(|agent| {
        shared.toolbox.matching(&agent.options.tools).iter().any(|tool| tool.spec().name == READER)
    });
    let output = shortened(&output, kept.as_ref().map(|kept| kept.path.as_str()), reads);
    files.extend(kept);
    Ending::Succeeded { output, files }
}

async fn keep(files: &Files, place: CallPlace<'_>, output: &str) -> Option<FileChange> {
    let name = format!("{}.txt", place.call_id);
    let path: FilePath = format!("{OUTPUTS}/{name}").parse().expect("an id is a name");
    let kept = &output[..output.floor_char_boundary(MOST)];
    match files.keep_in(place.conversation_id, place.workspace_id, &name, kept.as_bytes()).await {
        Ok(file) => Some(FileChange { path, file: Some(file) }),
        Err(error) => {
            warn!(%error, call_id = %place.call_id, "a long output could not be kept");
            None
        }
    }
}

/// Its head and its tail, and where the rest is.
fn shortened(output: &str, path: Option<&str>, reads: bool) -> String {
    let head = &output[..output.floor_char_boundary(HEAD)];
    let tail = &output[output.ceil_char_boundary(output.len() - TAIL)..];
    let left_out = output.len() - head.len() - tail.len();
    let rest = match (path, reads) {
        (None, _) => "They were not kept.".to_owned(),
        (Some(path), true) => {
            format!("The whole is in the file {path}: read it with {READER}, from offset {}.", head.len())
        }
        (Some(path), false) => format!("The whole is among the conversation's files, as {path}."),
    };
    let lost = match output.len() > MOST {
        true => format!(" Only its first {MOST} bytes were kept."),
        false => String::new(),
    };
    format!("{head}\n[{left_out} of {} bytes are left out here. {rest}{lost}]\n{tail}", output.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_output_is_cut_between_characters_and_says_where_the_rest_is() {
        let output = "ä漢👋".repeat(10_000);
        let shown = shortened(&output, Some("outputs/x.txt"), true);
        assert!(shown.len() < HEAD + TAIL + 200 && shown.starts_with("ä漢👋") && shown.ends_with("ä漢👋"));
        let line = shown.lines().nth(1).unwrap();
        let head = shown.lines().next().unwrap();
        assert!(HEAD - head.len() < 4, "{}", head.len());
        let rest = output.len() - head.len() - shown.lines().nth(2).unwrap().len();
        let said = format!(
            "[{rest} of 90000 bytes are left out here. The whole is in the file outputs/x.txt: \
             read it with files.read, from offset {}.]",
            head.len()
        );
        assert_eq!(line, said);
        assert!(
            shortened(&output, Some("outputs/x.txt"), false)
                .contains("conversation's files, as outputs/x.txt.")
        );
        assert!(shortened(&output, None, true).contains("They were not kept."));
        assert!(shortened(&"a".repeat(MOST + 1), Some("x"), true).contains("first 8388608 bytes were kept"));
    }
}
