//! Chooses which part of a text to show.

use super::matches::Match;

/// The bytes of the best of all stretches of `room` characters: that with most of the conditions met, then with most
/// matches, then the earliest. It begins and ends with a match.
pub fn best_window(text: &str, matches: &[Match], room: usize) -> Option<(usize, usize)> {
    let mut best = None;
    let mut best_score = (0, 0);
    let mut met = Met::default();
    let mut reach = Reach { text, characters: 0, from: 0, to: 0 };
    let mut after = 0;
    for (first, left) in matches.iter().enumerate() {
        let limit = reach.move_to(left.from, room);
        while let Some(right) = matches.get(after).filter(|right| right.to <= limit) {
            met.add(right.meets);
            after += 1;
        }
        let score = (met.conditions, after.saturating_sub(first));
        if best.is_none() || score > best_score {
            let within = &matches[first..after.max(first + 1)];
            let to = within.iter().map(|found| found.to).max().unwrap_or(left.to);
            best = Some((left.from, to.min(limit)));
            best_score = score;
        }
        if after > first {
            met.remove(left.meets);
        } else {
            after = first + 1; // longer than the room
        }
    }
    best
}

/// How many matches meet each condition, and how many conditions are met.
#[derive(Default)]
struct Met {
    times: [u32; 32],
    conditions: usize,
}

impl Met {
    fn add(&mut self, meets: u32) {
        for condition in bits(meets) {
            self.conditions += usize::from(self.times[condition] == 0);
            self.times[condition] += 1;
        }
    }

    fn remove(&mut self, meets: u32) {
        for condition in bits(meets) {
            self.times[condition] -= 1;
            self.conditions -= usize::from(self.times[condition] == 0);
        }
    }
}

fn bits(mut set: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (set != 0).then(|| set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(bit)
    })
}

/// A stretch of so many characters that moves through the text, forward only.
struct Reach<'t> {
    text: &'t str,
    characters: usize,
    from: usize,
    to: usize,
}

impl Reach<'_> {
    /// Where a stretch of `room` characters from `from` on ends.
    fn move_to(&mut self, from: usize, room: usize) -> usize {
        self.characters = self.characters.saturating_sub(self.text[self.from..from].chars().count());
        self.from = from;
        self.to = self.to.max(from);
        for c in self.text[self.to..].chars().take(room - self.characters) {
            self.to += c.len_utf8();
        }
        self.characters = room;
        self.to
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some_matches() -> impl Strategy<Value = Vec<Match>> {
        let one = (0..200usize, 1..6usize, 1..16u32);
        prop::collection::vec(one, 1..30).prop_map(|some| {
            let mut some: Vec<_> = some
                .into_iter()
                .map(|(from, length, meets)| Match { from, to: from + length, meets })
                .collect();
            some.sort_by_key(|found| found.from);
            some.dedup_by(|next, last| next.from < last.to);
            some
        })
    }

    /// Conditions met, matches and the beginning of the best window, by trying all.
    fn best_of_all(matches: &[Match], room: usize) -> Option<(u32, usize, usize)> {
        let windows = matches.iter().map(|left| {
            let within =
                matches.iter().filter(|found| found.from >= left.from && found.to <= left.from + room);
            let met = within.clone().fold(0, |met, found| met | found.meets);
            (met.count_ones(), within.count(), left.from)
        });
        windows.max_by_key(|(met, count, from)| (*met, *count, std::cmp::Reverse(*from)))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_other_window_is_better(matches in some_matches(), room in 6..100usize) {
            let text = "é".repeat(210);
            let in_bytes: Vec<_> =
                matches.iter().map(|found| Match { from: 2 * found.from, to: 2 * found.to, ..*found }).collect();
            let (from, to) = best_window(&text, &in_bytes, room).expect("there is a match");
            let within = matches.iter().filter(|found| 2 * found.from >= from && 2 * found.to <= to);
            let met = within.clone().fold(0, |met, found| met | found.meets);
            let expected = best_of_all(&matches, room);
            prop_assert_eq!(Some((met.count_ones(), within.count(), from / 2)), expected);
            prop_assert!((to - from) / 2 <= room);
        }
    }
}
