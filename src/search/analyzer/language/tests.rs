use super::*;

#[test]
fn the_language_of_a_sentence_is_told_by_its_small_words() {
    for (language, sentence) in [
        (Language::Arabic, "كيف يمكن أن أتعلم البرمجة في وقت قصير؟"),
        (Language::Danish, "Hvordan kan jeg bedst lære at programmere på kort tid, og hvad skal jeg bruge?"),
        (Language::Dutch, "Hoe kan ik het beste leren programmeren, en wat heb ik daar voor nodig?"),
        (Language::English, "How do I learn programming in a short time?"),
        (Language::Finnish, "Miten voin oppia ohjelmoimaan lyhyessä ajassa, ja mitä siihen tarvitaan?"),
        (Language::French, "Comment puis-je apprendre à programmer en peu de temps ?"),
        (Language::German, "Wie kann ich in kurzer Zeit programmieren lernen?"),
        (Language::Greek, "Πώς μπορώ να μάθω προγραμματισμό;"),
        (Language::Hungarian, "Hogyan tudok rövid idő alatt megtanulni programozni?"),
        (Language::Italian, "Come posso imparare a programmare in poco tempo, e che cosa mi serve?"),
        (Language::Norwegian, "Hvordan kan jeg lære å programmere på kort tid, og hva trenger jeg?"),
        (Language::Portuguese, "Como posso aprender a programar em pouco tempo? O que você recomenda?"),
        (Language::Romanian, "Cum pot să învăț programare în scurt timp și ce îmi trebuie pentru asta?"),
        (Language::Russian, "Как можно быстро научиться программировать и что для этого нужно?"),
        (Language::Spanish, "¿Cómo puedo aprender a programar en poco tiempo y qué necesito para ello?"),
        (Language::Swedish, "Hur kan jag lära mig att programmera på kort tid, och vad behöver jag?"),
        (Language::Tamil, "குறுகிய காலத்தில் நிரலாக்கத்தை எப்படி கற்றுக்கொள்வது?"),
        (Language::Turkish, "Kısa sürede programlamayı nasıl öğrenebilirim ve bunun için ne gerekli?"),
    ] {
        assert_eq!(Language::of(sentence), Some(language), "{sentence}");
        assert_eq!(Language::of(&sentence.to_uppercase()), Some(language), "{sentence}");
    }
}

#[test]
fn a_short_question_is_enough() {
    for (language, sentence) in [
        (Language::English, "fix the bug"),
        (Language::English, "What is this?"),
        (Language::English, "thanks!"),
        (Language::German, "was ist das für ein Fehler"),
        (Language::German, "Danke, das war es schon"),
        (Language::French, "qu'est-ce que c'est"),
        (Language::Spanish, "¿qué es esto?"),
        (Language::Italian, "che cos'è questo?"),
        (Language::Russian, "что это такое"),
        (Language::German, "Die Häuser in der Stadt"),
        (Language::Portuguese, "O que é isso?"),
        (Language::Swedish, "vad är det"),
        (Language::English, "I am in the kitchen"),
        (Language::Dutch, "wat is dat voor een fout"),
    ] {
        assert_eq!(Language::of(sentence), Some(language), "{sentence}");
    }
}

#[test]
fn what_speaks_for_no_other_language_is_taken_for_english() {
    for text in ["Kubernetes", "planning travel in hungary", "{\"tags\": [\"rust\", \"tokio\"]}", "mkdir src"]
    {
        assert_eq!(Language::of(text), Some(Language::English), "{text}");
    }
}

#[test]
fn what_has_no_words_or_those_of_a_language_without_stems_has_none() {
    for text in [
        "",
        "42",
        "Jak mogę szybko nauczyć się programować i co jest do tego potrzebne?",
        "Jak se mohu rychle naučit programovat a co k tomu potřebuji?",
        "Bagaimana cara belajar pemrograman dengan cepat, dan apa yang saya perlukan untuk itu?",
        "Làm thế nào để học lập trình trong thời gian ngắn, và tôi cần những gì cho việc đó?",
        "Як швидко навчитися програмувати і що для цього потрібно?",
        "Как мога да се науча да програмирам бързо и какво ми трябва за това?",
        "چگونه می‌توانم برنامه نویسی را در زمان کوتاه یاد بگیرم؟",
        "短い時間でプログラミングを学ぶにはどうすればいいですか",
    ] {
        assert_eq!(Language::of(text), None, "{text}");
    }
}
