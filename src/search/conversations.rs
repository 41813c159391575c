//! Which texts of a piece of the index belong to which conversation.

use rustc_hash::FxHashMap;
use tantivy::DocId;
use tantivy::columnar::ColumnValues;

use crate::priority::give_way;

/// Texts that are read at a time.
const STRETCH: usize = 1024;

/// Those that have texts in the piece.
pub struct Conversations {
    /// Where in `texts` those of a conversation begin and end.
    stretches: FxHashMap<u64, (u32, u32)>,
    texts: Vec<DocId>,
}

impl Conversations {
    /// Of a column that has a conversation for each text.
    pub fn of(column: &dyn ColumnValues<u64>) -> Self {
        let mut stretches: FxHashMap<u64, (u32, u32)> = FxHashMap::default();
        for_each(column, |_, conversation| stretches.entry(conversation).or_default().1 += 1);
        let mut begin = 0;
        for (from, to) in stretches.values_mut() {
            let count = *to;
            // Grows to its end as the texts come.
            (*from, *to) = (begin, begin);
            begin += count;
        }
        let mut texts = vec![0; begin as usize];
        for_each(column, |doc, conversation| {
            if let Some((_, end)) = stretches.get_mut(&conversation) {
                texts[*end as usize] = doc;
                *end += 1;
            }
        });
        Self { stretches, texts }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.stretches.len()
    }

    /// By the low halves of their ids.
    pub fn all(&self) -> impl Iterator<Item = u64> {
        self.stretches.keys().copied()
    }

    /// In order; of one that has none here, none.
    pub fn texts_of(&self, conversation: u64) -> &[DocId] {
        let (from, to) = self.stretches.get(&conversation).copied().unwrap_or_default();
        &self.texts[from as usize..to as usize]
    }
}

fn for_each(column: &dyn ColumnValues<u64>, mut f: impl FnMut(DocId, u64)) {
    let mut values = [0; STRETCH];
    for from in (0..column.num_vals()).step_by(STRETCH) {
        give_way();
        let values = &mut values[..STRETCH.min((column.num_vals() - from) as usize)];
        column.get_range(from.into(), values);
        (from..).zip(values.iter()).for_each(|(doc, conversation)| f(doc, *conversation));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tantivy::columnar::column_values::VecColumn;

    use super::*;

    proptest! {
        #[test]
        fn each_conversation_has_its_texts_in_order(of in prop::collection::vec(0_u64..40, 0..3000)) {
            let column: Arc<dyn ColumnValues<u64>> = Arc::new(VecColumn::from(of.clone()));
            let conversations = Conversations::of(column.as_ref());
            let texts = |wanted: u64| -> Vec<DocId> {
                (0..).zip(&of).filter(|(_, conversation)| **conversation == wanted).map(|(doc, _)| doc).collect()
            };
            for conversation in 0..50 {
                prop_assert_eq!(conversations.texts_of(conversation), texts(conversation));
            }
            let mut all: Vec<_> = conversations.all().collect();
            all.sort_unstable();
            let mut wanted = of.clone();
            wanted.sort_unstable();
            wanted.dedup();
            prop_assert_eq!(conversations.len(), wanted.len());
            prop_assert_eq!(all, wanted);
        }
    }
}
