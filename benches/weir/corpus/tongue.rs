//! Languages: their most frequent words are real, all others are made of their syllables.

use super::dice::Dice;

/// Words of a language.
const WORDS: usize = 60_000;

/// Topics are drawn from these places: known to everybody, and not in every sentence.
const TOPICAL: std::ops::Range<usize> = 300..20_000;

const ENGLISH: &[&str] = &[
    "the", "to", "and", "a", "of", "in", "is", "you", "that", "it", "for", "can", "are", "with", "your",
    "on", "as", "be", "this", "or", "have", "i", "not", "an", "from", "will", "if", "they", "by", "at",
    "but", "more", "which", "some", "we", "also", "how", "their", "what", "like", "there", "about", "would",
    "when", "use", "my", "other", "one", "may", "do", "these", "time", "them", "make", "so", "get", "was",
    "than", "all", "such", "has", "any", "it's", "because", "into", "work", "could", "should", "help",
    "want", "need", "well", "then", "just", "people",
];
const ENGLISH_SYLLABLES: &[&str] = &[
    "ra", "ter", "lo", "men", "si", "ca", "pro", "den", "li", "mo", "ver", "tu", "gra", "pen", "sol", "ba",
    "cor", "ni", "fel", "dra", "hu", "ster", "pa", "wi", "ren", "mar", "co", "ple", "vi", "sha", "net", "go",
    "bri", "tal", "cle", "for", "mi", "ze", "ton", "fa", "qui", "lan", "der", "su", "pho", "gle", "stra",
    "ne", "by", "hol",
];
const ENGLISH_ENDINGS: &[&str] = &["", "", "", "s", "ing", "ed", "er", "ly", "tion", "ness", "able", "al"];

const GERMAN: &[&str] = &[
    "die", "der", "und", "ist", "das", "in", "zu", "ein", "ich", "nicht", "du", "es", "sie", "auf", "mit",
    "für", "den", "eine", "von", "kann", "im", "man", "auch", "wie", "dass", "wenn", "an", "oder", "sich",
    "aber", "werden", "so", "als", "bei", "dann", "noch", "nur", "aus", "über", "wird", "hat", "dem", "zum",
    "was", "einen", "durch",
];
const GERMAN_SYLLABLES: &[&str] = &[
    "ver", "ge", "schaft", "ben", "lich", "stel", "zei", "wör", "müh", "grün", "haus", "bau", "fahr",
    "licht", "tag", "werk", "kraft", "spiel", "straß", "züg", "land", "berg", "stein", "wald", "frag",
    "glück", "zahl", "such", "schreib", "sprach", "recht", "pfleg", "größ", "nach", "dräng", "heb", "trag",
    "bruch", "fluss", "schein",
];
const GERMAN_ENDINGS: &[&str] = &["", "en", "e", "ung", "ungen", "er", "heit", "t", "es", "lich"];

const FRENCH: &[&str] = &[
    "de", "la", "le", "et", "les", "des", "en", "un", "une", "est", "à", "que", "pour", "qui", "dans", "il",
    "vous", "par", "plus", "pas", "sur", "ce", "au", "avec", "ou", "sont", "je", "mais", "du", "votre",
    "être", "cette", "se", "comme", "peut", "aussi", "si", "très", "tout", "fait", "où", "même", "été",
    "leur", "d'un", "l'on", "c'est",
];
const FRENCH_SYLLABLES: &[&str] = &[
    "mé", "ra", "tion", "ble", "voi", "cher", "pré", "sé", "tou", "jou", "plai", "fê", "ren", "cou", "lu",
    "mière", "bou", "lan", "gar", "çon", "vé", "ri", "té", "rou", "pla", "nè", "dou", "main", "ten", "é",
    "clai", "sou", "mon", "ju", "fran", "pou", "che", "ver", "lè", "no",
];
const FRENCH_ENDINGS: &[&str] = &["", "s", "e", "es", "er", "ée", "ment", "ation", "eur", "aux"];

const JAPANESE: &[&str] = &[
    "の",
    "は",
    "が",
    "を",
    "に",
    "で",
    "と",
    "も",
    "から",
    "です",
    "ます",
    "した",
    "する",
    "ない",
    "この",
    "その",
    "こと",
    "ため",
    "より",
    "など",
    "まで",
    "よう",
    "これ",
    "それ",
    "ある",
    "いる",
    "なる",
    "できる",
    "について",
];
const JAPANESE_SYLLABLES: &[&str] = &[
    "日", "本", "語", "検", "索", "会", "話", "文", "字", "電", "車", "時", "間", "学", "校", "生", "水",
    "山", "川", "海", "天", "気", "料", "理", "音", "楽", "映", "画", "仕", "事", "計", "算", "機", "械",
    "情", "報", "世", "界", "心", "力", "言", "葉", "図", "書", "館", "研", "究", "開", "発", "設",
];
const JAPANESE_ENDINGS: &[&str] = &["", "", "的", "化", "性", "する", "した", "い", "く", "さん"];

pub struct Tongues {
    english: Tongue,
    german: Tongue,
    french: Tongue,
    japanese: Tongue,
}

impl Tongues {
    pub fn new() -> Self {
        let latin = ["?", ".", ", ", " "];
        Self {
            english: Tongue::new(ENGLISH, ENGLISH_SYLLABLES, ENGLISH_ENDINGS, latin),
            german: Tongue::new(GERMAN, GERMAN_SYLLABLES, GERMAN_ENDINGS, latin),
            french: Tongue::new(FRENCH, FRENCH_SYLLABLES, FRENCH_ENDINGS, latin),
            japanese: Tongue::new(JAPANESE, JAPANESE_SYLLABLES, JAPANESE_ENDINGS, ["？", "。", "、", ""]),
        }
    }

    /// Of a hundred conversations, 82 are English.
    pub fn of(&self, percent: u64) -> &Tongue {
        match percent {
            0..82 => &self.english,
            82..90 => &self.german,
            90..95 => &self.french,
            _ => &self.japanese,
        }
    }

    pub fn is_frequent(&self, word: &str) -> bool {
        [ENGLISH, GERMAN, FRENCH].iter().any(|frequent| frequent.contains(&word))
    }
}

pub struct Tongue {
    /// The most frequent first.
    words: Vec<String>,
    question: &'static str,
    full_stop: &'static str,
    comma: &'static str,
    space: &'static str,
}

impl Tongue {
    fn new(frequent: &[&str], syllables: &[&str], endings: &[&str], marks: [&'static str; 4]) -> Self {
        let made = (0..WORDS - frequent.len()).map(|number| make(number, syllables, endings));
        let words = frequent.iter().map(|word| (*word).to_owned()).chain(made).collect();
        let [question, full_stop, comma, space] = marks;
        Self { words, question, full_stop, comma, space }
    }

    pub fn draw(&self, dice: &mut Dice) -> &str {
        &self.words[dice.zipf(WORDS)]
    }

    pub fn topical(&self, dice: &mut Dice) -> &str {
        &self.words[TOPICAL.start + dice.zipf(TOPICAL.len())]
    }

    pub fn stop(&self, question: bool) -> &'static str {
        if question { self.question } else { self.full_stop }
    }

    pub fn comma(&self) -> &'static str {
        // The space behind it comes with the next word.
        self.comma.trim_end()
    }

    pub fn space(&self) -> &'static str {
        self.space
    }
}

/// Another word for each number: its digits are the syllables, and one more digit the ending.
fn make(number: usize, syllables: &[&str], endings: &[&str]) -> String {
    let mut word = String::new();
    let (mut left, ending) = (number / endings.len() + syllables.len(), number % endings.len());
    while left > 0 {
        word.push_str(syllables[left % syllables.len()]);
        left /= syllables.len();
    }
    word.push_str(endings[ending]);
    word
}
