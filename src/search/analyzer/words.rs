//! A text as the index sees it: places in a row, and at each of them the forms of the word that stands there.

use super::fold::{Marks, fold, folded_initial};
use super::initials::Initials;
use super::language::Language;
use super::parts::{parts, pieces, singular};
use super::runs::{Kind, LONGEST, Run, Runs, is_mark};
use super::spaceless::{Letter, Letters};
use super::stems::Stems;

/// Walks a text word by word; a letter of a script without spaces counts as a word.
pub struct Words<'t> {
    text: &'t str,
    runs: Runs<'t>,
    stems: Option<Stems>,
    letters: Option<(Letters<'t>, Letter)>,
    initials: Initials,
}

impl<'t> Words<'t> {
    pub fn new(text: &'t str) -> Words<'t> {
        Words::of(text, Language::of(text))
    }

    /// Where its language is known.
    fn of(text: &'t str, language: Option<Language>) -> Words<'t> {
        Words { stems: language.map(Stems::new), ..Words::exact(text) }
    }

    /// Without stems.
    pub fn exact(text: &'t str) -> Words<'t> {
        Words { text, runs: Runs::new(text), stems: None, letters: None, initials: Initials::ALL }
    }

    /// Leaves out forms that don't begin with one of `initials`, where that is seen at a glance.
    pub fn beginning_with(text: &'t str, language: Option<Language>, initials: Initials) -> Words<'t> {
        let words = Words::of(text, language);
        let any_initial = words.stems.as_ref().is_some_and(Stems::change_initials);
        Words { initials: if any_initial { Initials::ALL } else { initials }, ..words }
    }

    /// Replaces `forms` by those of the next word, the most exact one first; false at the end of the text. A word
    /// that is too long for the index has its place, and no forms.
    pub fn next(&mut self, forms: &mut Forms) -> bool {
        forms.clear();
        if let Some((letters, letter)) = self.letters.take() {
            self.letter(letters, letter, forms);
            return true;
        }
        let Some(run) = self.runs.next() else { return false };
        match run.kind {
            Kind::Spaceless => {
                let mut letters = Letters::new(self.text, run.from, run.to);
                if let Some(letter) = letters.next() {
                    self.letter(letters, letter, forms);
                }
            }
            Kind::Plain => self.form(run.from, run.to, forms),
            Kind::Word => self.name(run, forms),
        }
        true
    }

    /// The pair that the letter begins, and the letter.
    fn letter(&mut self, mut letters: Letters<'t>, letter: Letter, forms: &mut Forms) {
        let wanted = self.initials.may_begin(letter.c);
        if let Some(next) = letters.next() {
            if wanted {
                forms.push(letter.from, next.to, |text| text.extend([letter.c, next.c]));
            }
            self.letters = Some((letters, next));
        }
        if wanted {
            forms.push(letter.from, letter.to, |text| text.push(letter.c));
        }
    }

    /// The whole without underscores, what is between the underscores, and the parts of that.
    fn name(&mut self, run: Run, forms: &mut Forms) {
        self.form(run.from, run.to, forms);
        if run.to - run.from > LONGEST {
            return;
        }
        let name = &self.text[run.from..run.to];
        if let Some(acronym) = singular(name) {
            self.form(run.from, run.from + acronym.len(), forms);
        }
        for (from, to) in pieces(name) {
            if to - from < name.len() {
                self.form(run.from + from, run.from + to, forms);
            }
            for part in parts(&name[from..to]) {
                self.form(run.from + from + part.0, run.from + from + part.1, forms);
            }
        }
    }

    fn form(&mut self, from: usize, to: usize, forms: &mut Forms) {
        let word = &self.text[from..to];
        let initial = word.chars().next().and_then(folded_initial);
        if to - from > LONGEST || initial.is_some_and(|initial| !self.initials.may_begin(initial)) {
            return;
        }
        let Some(start) = forms.push(from, to, |text| fold_word(word, text)) else { return };
        if let Some(stems) = &mut self.stems {
            for stem in stems.of(word, &forms.text[start..]) {
                forms.push(from, to, |text| text.push_str(stem));
            }
        }
    }
}

/// Appends the folded word, without marks in front of it that stand on no letter.
fn fold_word(word: &str, out: &mut String) {
    let start = out.len();
    fold(word, Marks::Dropped, out);
    let letters = out[start..].trim_start_matches(is_mark).len();
    out.drain(start..out.len() - letters);
}

/// The forms of one word.
#[derive(Clone, Default)]
pub struct Forms {
    text: String,
    forms: Vec<Form>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    from: usize,
    to: usize,
    start: usize,
    end: usize,
}

impl Forms {
    /// Each with the bytes of the text that it stands for.
    pub fn iter(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        self.forms.iter().map(|form| (&self.text[form.start..form.end], form.from, form.to))
    }

    pub fn get(&self, index: usize) -> Option<(&str, usize, usize)> {
        self.forms.get(index).map(|form| (&self.text[form.start..form.end], form.from, form.to))
    }

    fn clear(&mut self) {
        self.text.clear();
        self.forms.clear();
    }

    /// Where its text begins in `self.text`, unless it is no form for the index.
    fn push(&mut self, from: usize, to: usize, write: impl FnOnce(&mut String)) -> Option<usize> {
        let start = self.text.len();
        write(&mut self.text);
        let end = self.text.len();
        if start == end || end - start > LONGEST {
            self.text.truncate(start);
            return None;
        }
        self.forms.push(Form { from, to, start, end });
        Some(start)
    }
}
