//! The tools that need nothing of ours.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use weir::clock::Clock;
use weir::tool::{BUILT_IN, Outcome, Source, Toolbox, check_args, check_schema};

use crate::call::invocation;

async fn answer(name: &str, args: Value) -> Outcome {
    let clock = Clock::manual("2026-07-01T12:30:00.250Z".parse().unwrap());
    let toolbox = Toolbox::new(&BTreeMap::new(), &|_| None, clock).unwrap();
    let tool = toolbox.get(name).unwrap();
    assert_eq!(check_args(&tool.spec().schema, &args.to_string()), Ok(args.clone()));
    tool.run(invocation(args)).await
}

#[test]
fn every_built_in_tool_may_be_repeated_and_has_a_schema() {
    let toolbox = Toolbox::new(&BTreeMap::new(), &|_| None, Clock::System).unwrap();
    let here: Vec<_> = BUILT_IN.iter().filter_map(|name| Some((name, toolbox.get(name)?))).collect();
    assert_eq!(here.len(), 4);
    for (name, tool) in here {
        assert_eq!(
            (tool.spec().name.as_str(), tool.source(), tool.is_idempotent()),
            (*name, Source::BuiltIn, true)
        );
        assert_eq!(check_schema(&tool.spec().schema), Ok(()));
        assert!(check_args(&tool.spec().schema, r#"{"unheard": "of"}"#).is_err());
    }
}

#[tokio::test]
async fn the_calculator_calculates() {
    let succeeded = |text: &str| Outcome::Succeeded(text.to_owned());
    assert_eq!(answer("calculator", json!({ "expression": "12*7" })).await, succeeded("84"));
    assert_eq!(answer("calculator", json!({ "expression": "(19.99 + 5.01) * 4" })).await, succeeded("100"));
    let refused = Outcome::Failed("division by zero".to_owned());
    assert_eq!(answer("calculator", json!({ "expression": "1/0" })).await, refused);
}

#[tokio::test]
async fn the_clock_tells_the_time_anywhere() {
    let told = async |args| match answer("clock", args).await {
        Outcome::Succeeded(text) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(told(json!({})).await, "2026-07-01T12:30:00+00:00");
    assert_eq!(told(json!({ "timezone": "Europe/Berlin" })).await, "2026-07-01T14:30:00+02:00");
    assert_eq!(told(json!({ "timezone": "Asia/Kathmandu" })).await, "2026-07-01T18:15:00+05:45");
    for zone in ["Mars/Olympus", "", "../../etc/passwd", "/etc/localtime"] {
        let refused = Outcome::Failed(format!("`{zone}` is not a time zone of the IANA database"));
        assert_eq!(answer("clock", json!({ "timezone": zone })).await, refused);
    }
}
