//! `clock`: the present time, where the model asks for it.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::chat::context::ToolSpec;
use crate::clock::{Clock, Timestamp};

use super::{Invocation, Outcome, Source, Tool};

pub struct ClockTool {
    spec: ToolSpec,
    clock: Clock,
}

impl ClockTool {
    pub fn new(clock: Clock) -> Self {
        let spec = ToolSpec {
            name: "clock".to_owned(),
            description: "Tells the present date and time as RFC 3339, in UTC or in a time zone.".to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "timezone": {
                        "type": "string",
                        "description": "An IANA time zone such as Europe/Berlin. Absent: UTC.",
                    },
                },
                "additionalProperties": false,
            }),
        };
        Self { spec, clock }
    }
}

impl Tool for ClockTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn source(&self) -> Source {
        Source::BuiltIn
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn run(&self, call: Invocation) -> BoxFuture<'_, Outcome> {
        let zone = call.args.get("timezone").and_then(Value::as_str).unwrap_or("UTC");
        ready(read(self.clock.now(), zone)).boxed()
    }
}

fn read(now: Timestamp, zone: &str) -> Outcome {
    let Ok(time_zone) = TimeZone::get(zone) else {
        let shown: String = zone.chars().take(80).collect();
        return Outcome::Failed(format!("`{shown}` is not a time zone of the IANA database"));
    };
    match jiff::Timestamp::from_millisecond(now.millis()) {
        Ok(at) => Outcome::Succeeded(at.to_zoned(time_zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()),
        Err(_) => Outcome::Failed(format!("the clock of this server shows no time: {now}")),
    }
}
