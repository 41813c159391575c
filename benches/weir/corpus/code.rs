//! A few lines of code, with identifiers that are made of the conversation's words.

use std::fmt::Write;

use super::dice::Dice;
use super::tongue::Tongue;

pub fn write(text: &mut String, dice: &mut Dice, topic: &[&str], tongue: &Tongue) {
    let name = |dice: &mut Dice| {
        let words = [topic[dice.index(topic.len())], tongue.draw(dice)];
        match dice.below(2) {
            0 => format!("{}_{}", words[0], words[1]),
            _ => format!("{}{}", words[0], capitalised(words[1])),
        }
    };
    let function = name(dice);
    writeln!(text, "```python\ndef {function}(items):").expect("memory takes it");
    for _ in 0..2 + dice.below(4) {
        let (to, from) = (name(dice), name(dice));
        let number = dice.below(1000);
        writeln!(text, "    {to} = self.{from}(items[{number}])").expect("memory takes it");
    }
    text.push_str("    return items\n```");
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}
