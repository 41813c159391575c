//! A page of markdown with something of everything that a chat has to show.

/// `question` is quoted as it is, shortened, so that one sees that it arrived.
pub(crate) fn showcase(question: &str) -> String {
    let quoted: String =
        question.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
    let quoted = match quoted.is_empty() {
        true => "(nothing)".to_owned(),
        false => quoted,
    };
    format!(
        "\
# The demo model

I am the **demo model**: built in, offline, and the same every time. No real model read what you wrote:

> {quoted}

## What I understand

- `count to 500` makes a long answer
- `what time is it` calls the tool `clock`
- `what is 12*7` calls the tool `calculator`
- `delete the file notes.txt` calls a tool that needs *your* yes

Anything else shows this page.

## Some code

```rust
fn main() {{
    println!(\"a weir is a gate across a stream\");
}}
```

## A table

| language | greeting |
|---|---|
| Deutsch | Grüß dich |
| Ελληνικά | Γειά σου |
| 日本語 | こんにちは |
| العربية | مرحبا |
| emoji | 👋🏽 👩‍👩‍👧 🇪🇺 |

1. First
2. Second, with a [link](https://example.com/)
3. Third, with `code`

That was all. To talk to a real model, configure a provider."
    )
}
