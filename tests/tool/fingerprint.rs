//! What a yes to a tool was said to.

use serde_json::json;
use weir::chat::context::ToolSpec;
use weir::tool::schema_hash;

#[test]
fn the_hash_is_of_what_the_tool_says_not_of_how_it_is_written() {
    let spec = |name: &str, description: &str, schema: &str| ToolSpec {
        name: name.to_owned(),
        description: description.to_owned(),
        schema: serde_json::from_str(schema).unwrap(),
    };
    let hash = |name, description, schema| schema_hash(&spec(name, description, schema));
    let first = hash("refund", "Refund an order", r#"{"type": "object", "required": ["a", "b"]}"#);
    assert_eq!(first, hash("refund", "Refund an order", r#"{ "required":["a","b"],"type":"object" }"#));

    for other in [
        hash("refunds", "Refund an order", r#"{"type": "object", "required": ["a", "b"]}"#),
        hash("refund", "Refund any order", r#"{"type": "object", "required": ["a", "b"]}"#),
        hash("refund", "Refund an order", r#"{"type": "object", "required": ["b", "a"]}"#),
        hash("refund", "Refund an order", r#"{"type": "object"}"#),
    ] {
        assert_ne!(first, other);
    }

    // `printf '{"description":"d\\"","name":"n","schema":{"a":[1,null],"b":{}}}' | sha256sum`
    let known = schema_hash(&ToolSpec {
        name: "n".to_owned(),
        description: "d\"".to_owned(),
        schema: json!({ "b": {}, "a": [1, null] }),
    });
    assert_eq!(
        data_encoding::HEXLOWER.encode(&known),
        "0bdb713a2c5ab88899a208ec4eef5e40671a3032d335cbcd295aa1ad52ffc757"
    );
}
