//! From what was typed to what the index is asked.

use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, Occur, PhraseQuery, Query as Asked, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption, Term as Indexed};

use super::find::Wanted;
use super::index::Fields;
use super::prefix::Prefix;
use super::query::{AnyOf, Query, Term};
use super::union::union;

/// What the very word counts for beside its stem, which the word has as well: another ending says as much, and the
/// rarest of them is not the best.
const EXACT: f32 = 0.1;

pub(super) struct Compiled {
    pub query: Box<dyn Asked>,
    /// Whether one match is better than another.
    pub scored: bool,
    /// Whether it matters what one word counts for beside another.
    pub weighs: bool,
}

/// `None`: nothing is looked for.
pub(super) fn compile(wanted: &Wanted<'_>, fields: &Fields) -> Option<Compiled> {
    let Query { must, must_not, .. } = wanted.query;
    let scored = must.iter().flat_map(|any| &any.0).any(|term| !matches!(term, Term::Prefix { .. }));
    let weighs = must.iter().map(|any| any.0.len()).sum::<usize>() > 1;
    let words: Vec<_> = must.iter().filter_map(|any| any_of(any, fields.text)).collect();
    if words.is_empty() {
        return None;
    }
    let occur = if wanted.any { Occur::Should } else { Occur::Must };
    let mut clauses: Vec<(Occur, Box<dyn Asked>)> = Vec::new();
    match wanted.any || words.len() == 1 {
        true => clauses.push((Occur::Must, union(words))),
        false => clauses.extend(words.into_iter().map(|word| (occur, word))),
    }
    clauses.extend(must_not.iter().filter_map(|term| Some((Occur::MustNot, without(term, fields.text)?))));
    let narrow = &wanted.narrow;
    for (field, name) in
        [(fields.agent, &narrow.agent), (fields.model, &narrow.model), (fields.tool, &narrow.tool)]
    {
        if let Some(name) = name {
            clauses.push((Occur::Must, unscored(exact(Indexed::from_field_text(field, name)))));
        }
    }
    if let Some(tool) = narrow.but_tool {
        clauses.push((Occur::MustNot, exact(Indexed::from_field_text(fields.tool, tool))));
    }
    let query: Box<dyn Asked> = match clauses.len() {
        1 => clauses.remove(0).1,
        _ => Box::new(BooleanQuery::new(clauses)),
    };
    Some(Compiled { query, scored, weighs })
}

/// Whatever has any of the words in that field.
pub(super) fn anything(query: &Query, field: Field) -> Option<Box<dyn Asked>> {
    let words: Vec<_> = query.must.iter().filter_map(|any| any_of(any, field)).collect();
    (!words.is_empty()).then(|| union(words))
}

fn any_of(any: &AnyOf, field: Field) -> Option<Box<dyn Asked>> {
    let terms: Vec<_> = any.0.iter().filter_map(|term| one(term, field)).collect();
    (!terms.is_empty()).then(|| union(terms))
}

fn one(term: &Term, field: Field) -> Option<Box<dyn Asked>> {
    let word = |word: &String| Indexed::from_field_text(field, word);
    match term {
        Term::Word { forms, .. } => {
            let scored = |form| Box::new(TermQuery::new(word(form), IndexRecordOption::WithFreqs));
            match forms.as_slice() {
                [] => None,
                [only] => Some(scored(only)),
                [exact, stems @ ..] => {
                    let mut forms: Vec<Box<dyn Asked>> =
                        vec![Box::new(BoostQuery::new(scored(exact), EXACT))];
                    forms.extend(stems.iter().map(|stem| scored(stem) as Box<dyn Asked>));
                    Some(union(forms))
                }
            }
        }
        Term::Phrase { words, .. } => match words.as_slice() {
            [] => None,
            [(_, only)] => Some(Box::new(TermQuery::new(word(only), IndexRecordOption::WithFreqs))),
            [..] => {
                let words = words.iter().map(|(place, text)| (*place, word(text))).collect();
                Some(Box::new(PhraseQuery::new_with_offset(words)))
            }
        },
        Term::Prefix { start, .. } => Some(Box::new(Prefix { field, start: start.clone() })),
    }
}

/// What must not be there. tantivy 0.27 asks an excluded phrase about documents before those that it has come to, which a
/// phrase does not answer, and a union does; of one alone it makes none.
fn without(term: &Term, field: Field) -> Option<Box<dyn Asked>> {
    let excluded = one(term, field)?;
    Some(match term {
        Term::Phrase { .. } => union(vec![excluded.box_clone(), excluded]),
        Term::Word { .. } | Term::Prefix { .. } => excluded,
    })
}

fn exact(term: Indexed) -> Box<dyn Asked> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn unscored(query: Box<dyn Asked>) -> Box<dyn Asked> {
    Box::new(ConstScoreQuery::new(query, 0.0))
}
