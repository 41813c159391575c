//! Where an answer that follows a cut one belongs.
//!
//! Asked to go on, some models go on and some begin again from the top. Which one it is shows in the first words,
//! so the start of the new answer is held back until it can be told apart from the start of the cut one.

use super::Placement;

/// How much of the cut answer is compared, in bytes. Long enough that two different sentences differ.
const PROBE: usize = 48;

/// A shorter cut answer says nothing about how a continuation may begin.
const TOO_SHORT: usize = 8;

/// Judges by the beginning of the new answer; `None` while it is still too short to tell.
pub fn judge(cut: &str, new: &str) -> Option<Placement> {
    let cut = cut.trim_start();
    let new = new.trim_start();
    if cut.len() < TOO_SHORT {
        return Some(Placement::Child);
    }
    let probe = &cut[..cut.floor_char_boundary(PROBE)];
    if new.starts_with(probe) {
        return Some(Placement::Sibling);
    }
    if probe.starts_with(new) { None } else { Some(Placement::Child) }
}

/// Judges an answer of which nothing more comes.
pub fn judge_whole(cut: &str, new: &str) -> Placement {
    let repeats = new.trim_start().len() >= TOO_SHORT;
    judge(cut, new).unwrap_or(if repeats { Placement::Sibling } else { Placement::Child })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: &str = "The weir holds the water back until the gate opens, and then";

    #[test]
    fn an_answer_that_goes_on_is_a_child() {
        assert_eq!(judge(CUT, " it runs"), Some(Placement::Child));
        assert_eq!(judge(CUT, "The weir is"), Some(Placement::Child));
    }

    #[test]
    fn an_answer_that_begins_again_is_a_sibling() {
        assert_eq!(judge(CUT, CUT), Some(Placement::Sibling));
        assert_eq!(judge(CUT, &format!("\n{}", &CUT[..PROBE])), Some(Placement::Sibling));
    }

    #[test]
    fn a_beginning_that_fits_both_is_not_judged_yet() {
        assert_eq!(judge(CUT, ""), None);
        assert_eq!(judge(CUT, "The weir hol"), None);
    }

    #[test]
    fn a_few_words_say_nothing() {
        assert_eq!(judge("a", "and so"), Some(Placement::Child));
    }

    #[test]
    fn the_probe_ends_on_a_character() {
        let cut = "ü".repeat(40);
        assert_eq!(judge(&cut, &cut), Some(Placement::Sibling));
    }
}
