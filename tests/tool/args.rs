//! Arguments of calls: what a model wrote, against the schema that it was given.

use serde_json::{Value, json};
use weir::tool::{check_args, check_declared_schema, check_schema};

fn refused(schema: &Value, text: &str) -> Vec<(String, String)> {
    let errors = check_args(schema, text).expect_err(text);
    errors.into_iter().map(|error| (error.pointer, error.detail)).collect()
}

fn anything() -> Value {
    json!({ "type": "object" })
}

fn one(pointer: &str, detail: &str) -> Vec<(String, String)> {
    vec![(pointer.to_owned(), detail.to_owned())]
}

#[test]
fn arguments_that_fit_are_given_as_they_were_written() {
    let schema = json!({
        "type": "object",
        "properties": {
            "order": { "type": "string" },
            "amount": { "type": "number", "minimum": 0 },
            "lines": { "type": "array", "items": { "$ref": "#/$defs/line" } },
        },
        "required": ["order"],
        "additionalProperties": false,
        "$defs": { "line": { "type": "object", "required": ["sku"] } },
    });
    let text = r#" {"order": "A-1\u00fc", "amount": 1.50, "lines": [{"sku": null}]} "#;
    let expected = json!({ "order": "A-1ü", "amount": 1.5, "lines": [{ "sku": null }] });
    assert_eq!(check_args(&schema, text), Ok(expected));

    let mut errors = refused(&schema, r#"{"amount": -1, "lines": [{"sku": 1}, {}], "note": "x"}"#);
    errors.sort();
    let expected = [
        ("", r#""order" is a required property"#),
        ("", "Additional properties are not allowed ('note' was unexpected)"),
        ("/amount", "value is less than the minimum of 0"),
        ("/lines/1", r#""sku" is a required property"#),
    ];
    assert_eq!(errors, expected.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned())));
}

#[test]
fn what_is_no_json_is_one_error() {
    for text in ["", "{", "{\"a\": 1,}", "{} {}", "nul", "{\"a\": \"\\ud800\"}", "{'a': 1}", "{\"a\": 01}"] {
        let errors = refused(&anything(), text);
        assert!(
            matches!(&errors[..], [(_, detail)] if detail.starts_with("is not JSON: ")),
            "{text}: {errors:?}"
        );
    }
    assert_eq!(refused(&anything(), "[]"), one("", r#"value is not of type "object""#));
}

#[test]
fn a_key_that_is_given_twice_is_refused_wherever_it_is() {
    let twice = |pointer| one(pointer, "is given twice");
    assert_eq!(refused(&anything(), r#"{"to": "me", "to": "you"}"#), twice("/to"));
    assert_eq!(refused(&anything(), r#"{"a/b": [1, {"~": 1, "~": 1}]}"#), twice("/a~1b/1/~0"));
    assert_eq!(refused(&anything(), "{\"to\": 1, \"t\\u006f\": 2}"), twice("/to"));
    assert!(check_args(&anything(), r#"{"a": {"to": 1}, "b": {"to": 2}}"#).is_ok());
}

#[test]
fn a_number_that_would_run_as_another_one_is_refused() {
    for number in [
        "12345678901234567890123",
        "18446744073709551616",
        "9007199254740993.5",
        "0.1000000000000000055511151231257827",
        "1e400",
        "-1e400",
        "1e-400",
        "1e99999999999999999999",
    ] {
        let errors = refused(&anything(), &format!(r#"{{"n": [{number}]}}"#));
        let detail = "is a number with more digits than 64 bits hold; send it as a string";
        assert_eq!(errors, one("/n/0", detail), "{number}");
    }
    for number in [
        "0",
        "-0",
        "0.0",
        "1.10",
        "-3",
        "100",
        "1e2",
        "1E+2",
        "12.5e-1",
        "0.30000000000000004",
        "3.141592653589793",
        "9007199254740993",
        "18446744073709551615",
        "-9223372036854775808",
        "1e300",
        "5e-324",
        "1000000000000000000000",
    ] {
        assert!(check_args(&anything(), &format!(r#"{{"n": {number}}}"#)).is_ok(), "{number}");
    }
    let exact = check_args(&anything(), r#"{"n": 9007199254740993, "d": 0.1, "e": 1e2}"#).unwrap();
    assert_eq!(exact.to_string(), r#"{"d":0.1,"e":100.0,"n":9007199254740993}"#);
}

#[test]
fn hostile_arguments_cost_little() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(refused(&anything(), &deep), one("", "is nested deeper than 64 levels"));
    let deep = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    assert_eq!(refused(&anything(), &deep), one("", "is nested deeper than 64 levels"));

    let numbers = json!({ "type": "object", "additionalProperties": { "type": "integer" } });
    let many: Vec<_> = (0..1000).map(|at| format!(r#""k{at}": "{}""#, "x".repeat(300))).collect();
    let errors = refused(&numbers, &format!("{{{}}}", many.join(",")));
    assert_eq!(errors.len(), 16);
    assert!(errors.iter().all(|(_, detail)| detail == r#"value is not of type "integer""#), "{errors:?}");

    let slow = json!({ "type": "object", "properties": { "a": { "pattern": "^(a+)+$" } } });
    let errors = refused(&slow, &format!(r#"{{"a": "{}!"}}"#, "a".repeat(100_000)));
    assert_eq!(errors, one("/a", r#"value does not match "^(a+)+$""#));
}

#[test]
fn a_schema_that_cannot_be_used_is_refused() {
    for (schema, expected) in [
        (json!("object"), "expected a JSON Schema, which is an object"),
        (json!({ "type": "text" }), "/type: "),
        (json!({ "properties": { "a": { "minimum": "1" } } }), "/properties/a/minimum: "),
        (json!({ "$ref": "https://example.com/schema.json" }), ""),
        (json!({ "$ref": "file:///etc/passwd" }), ""),
        (json!({ "$ref": "#/$defs/gone" }), ""),
        (json!({ "properties": { "a": { "pattern": "(a" } } }), ""),
        (json!({ "properties": { "a": { "pattern": "(a{1000}){1000}" } } }), ""),
    ] {
        let unusable = check_schema(&schema).expect_err(&schema.to_string());
        assert!(unusable.starts_with(expected), "{schema}: {unusable}");
        let errors = refused(&schema, "{}");
        assert_eq!(errors, one("", &format!("the tool's schema is unusable: {unusable}")));
    }
}

#[test]
fn a_schema_of_schemas_may_refer_to_itself() {
    let tree = json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": { "type": "string" },
            "children": { "type": "array", "items": { "$ref": "#" } },
        },
    });
    assert!(check_args(&tree, r#"{"name": "a", "children": [{"name": "b"}]}"#).is_ok());
    let errors = refused(&tree, r#"{"name": "a", "children": [{"name": "b", "children": [{}]}]}"#);
    assert_eq!(errors, one("/children/0/children/0", r#""name" is a required property"#));
}

#[test]
fn a_schema_of_a_stranger_is_no_bomb() {
    let shared = json!({
        "type": "object",
        "properties": { "from": { "$ref": "#/$defs/place" }, "to": { "$ref": "#/$defs/place" } },
        "$defs": { "place": { "type": "object", "properties": { "$ref": { "type": "string" } } } },
    });
    assert_eq!(check_declared_schema(&shared), Ok(()));
    assert!(check_declared_schema(&json!({ "type": "text" })).unwrap_err().starts_with("/type: "));

    // Each definition is checked twice for each time that the one before it is.
    let mut definitions = json!({ "d40": { "type": "object" } });
    for at in 0..40 {
        let next = json!({ "$ref": format!("#/$defs/d{}", at + 1) });
        definitions[format!("d{at}")] = json!({ "allOf": [next, next] });
    }
    let doubling = json!({ "$ref": "#/$defs/d0", "$defs": definitions });
    // Each definition refers to the next; the first half of the names sorts before the other, or after it.
    let row = |[first, second]: [&str; 2]| {
        let name = |at: usize| format!("{}{:03}", if at < 60 { first } else { second }, at);
        let mut definitions = json!({ name(119): {} });
        for at in 0..119 {
            definitions[name(at)] = json!({ "$ref": format!("#/$defs/{}", name(at + 1)) });
        }
        json!({ "$defs": definitions })
    };
    let around = json!({ "allOf": [{ "items": { "$ref": "#" } }, { "items": { "$ref": "#" } }] });
    let pair = json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } } });
    let dynamic = json!({ "$dynamicAnchor": "node", "items": { "$dynamicRef": "#node" } });
    for (schema, expected) in [
        (doubling, "has more than 10000 values once its references are followed"),
        (row(["d", "e"]), "has more than 100 levels once its references are followed"),
        (row(["e", "d"]), "has more than 100 levels once its references are followed"),
        (around, "`#` leads to itself"),
        (pair, "`#/$defs/b` leads to itself"),
        (json!({ "$ref": "other.json" }), "`other.json` is no place of the schema"),
        (json!({ "$ref": "#gone" }), "`#gone` is no place of the schema"),
        (json!({ "enum": vec![0; 10_000] }), "has more than 10000 values once its references are followed"),
        (dynamic, "`$dynamicAnchor` is not allowed here; refer to places of the schema such as #/$defs/line"),
    ] {
        assert_eq!(check_declared_schema(&schema), Err(expected.to_owned()), "{schema}");
    }
}
