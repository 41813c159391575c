//! Messages that stand inside each other, laid flat: each as an object of its own with its parent's place.
//!
//! serde_json goes 128 levels deep, and a long talk is deeper. This keeps its own stack and looks at each byte once.

/// Levels of messages, at most.
pub const DEPTH: usize = 200_000;

/// One message: its object without the messages inside.
#[derive(Debug, PartialEq, Eq)]
pub struct Flat {
    pub json: Vec<u8>,
    pub parent: Option<usize>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct TooDeep;

/// Lays out what stands in arrays of the key `inside`, however deep. The first is the whole itself.
///
/// The messages come in the order of the text, parents first. What is no JSON stays none.
pub fn flatten(json: &[u8], inside: &str) -> Result<Vec<Flat>, TooDeep> {
    let mut flat: Vec<Flat> = Vec::new();
    // The messages that are open, and how many brackets are open in each.
    let mut open: Vec<(usize, usize)> = Vec::new();
    // Below it, an array of messages: bytes between its elements belong to nobody.
    let mut lists: Vec<usize> = Vec::new();
    let mut key: &[u8] = b"";
    let mut after_colon = false;
    let mut at = 0;
    while at < json.len() {
        let byte = json[at];
        let in_list = lists.last() == Some(&open.len());
        if byte == b'"' {
            let end = string_end(json, at);
            if !in_list {
                key = &json[at + 1..end.saturating_sub(1).max(at + 1)];
                put(&mut flat, &open, &json[at..end]);
            }
            after_colon = false;
            at = end;
            continue;
        }
        match byte {
            b'{' if open.is_empty() || in_list => {
                if open.len() >= DEPTH {
                    return Err(TooDeep);
                }
                let parent = open.last().map(|(index, _)| *index);
                open.push((flat.len(), 1));
                flat.push(Flat { json: vec![b'{'], parent });
            }
            b'[' if after_colon && !in_list && key == inside.as_bytes() && depth(&open) == 1 => {
                put(&mut flat, &open, b"[]");
                lists.push(open.len());
            }
            b']' if in_list => {
                lists.pop();
            }
            _ if in_list => {}
            b'{' | b'[' => {
                put(&mut flat, &open, &[byte]);
                if let Some((_, depth)) = open.last_mut() {
                    *depth += 1;
                }
            }
            b'}' | b']' => {
                put(&mut flat, &open, &[byte]);
                if let Some((_, depth)) = open.last_mut() {
                    *depth -= 1;
                    if *depth == 0 {
                        open.pop();
                    }
                }
            }
            _ => put(&mut flat, &open, &[byte]),
        }
        after_colon = byte == b':' || (after_colon && byte.is_ascii_whitespace());
        at += 1;
    }
    Ok(flat)
}

fn depth(open: &[(usize, usize)]) -> usize {
    open.last().map_or(0, |(_, depth)| *depth)
}

fn put(flat: &mut [Flat], open: &[(usize, usize)], bytes: &[u8]) {
    if let Some((index, _)) = open.last() {
        flat[*index].json.extend_from_slice(bytes);
    }
}

/// Behind the closing quote of the string that begins at `from`.
fn string_end(json: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while at < json.len() {
        match memchr::memchr2(b'"', b'\\', &json[at..]) {
            None => return json.len(),
            Some(found) if json[at + found] == b'"' => return at + found + 1,
            Some(found) => at += found + 2,
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(text: &str) -> Vec<(String, Option<usize>)> {
        let found = flatten(text.as_bytes(), "replies").unwrap();
        found.into_iter().map(|flat| (String::from_utf8(flat.json).unwrap(), flat.parent)).collect()
    }

    #[test]
    fn what_stands_inside_follows_as_an_object_of_its_own() {
        let text = r#"{"id": 1, "replies": [{"id": 2, "t": "\"replies\": [{", "replies": []}, {"id": 3}], "x": {"replies": [1]}}"#;
        assert_eq!(
            flat(text),
            [
                (r#"{"id": 1, "replies": [], "x": {"replies": [1]}}"#.to_owned(), None),
                (r#"{"id": 2, "t": "\"replies\": [{", "replies": []}"#.to_owned(), Some(0)),
                (r#"{"id": 3}"#.to_owned(), Some(0)),
            ]
        );
    }

    #[test]
    fn a_long_chain_takes_no_stack() {
        let deep = 100_000;
        let text = r#"{"id": 1, "replies": ["#.repeat(deep) + &"]}".repeat(deep);
        let found = flat(&text);
        assert_eq!((found.len(), found[deep - 1].1), (deep, Some(deep - 2)));
        assert_eq!(flatten("{\"replies\":[".repeat(DEPTH + 1).as_bytes(), "replies"), Err(TooDeep));
    }
}
