//! A policy as it is configured: a table of patterns, whose order counts.

mod condition;

use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::scope::WorkspaceRole;

use super::condition::Condition;
use super::glob::Glob;
use super::rule::{Clause, Listed};
use super::{Asking, Effect, Policy, Rule};

const EFFECTS: &str = r#""allow", "ask", "deny" or a table such as { ask = "admin", expires = "24h" }"#;

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Rules;

        impl<'de> Visitor<'de> for Rules {
            type Value = Policy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a table such as { "files.*" = "ask" }"#)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Policy, A::Error> {
                let mut rules: Vec<Rule> = Vec::new();
                while let Some(pattern) = map.next_key::<Glob>()? {
                    // A denial below an allow of everything would look like one, and not be one.
                    let before = rules.iter().find(|rule| rule.is_final() && rule.covers(pattern.as_str()));
                    if let Some(before) = before {
                        let (pattern, before) = (pattern.as_str(), before.pattern());
                        return Err(A::Error::custom(format_args!(
                            "expected {pattern:?} before {before:?}, found it after that, where it is never reached"
                        )));
                    }
                    let Clauses { clauses, listed } = map.next_value()?;
                    rules.push(Rule::new(pattern, clauses, listed));
                }
                Ok(Policy { rules })
            }
        }

        d.deserialize_map(Rules)
    }
}

struct Clauses {
    clauses: Vec<Clause>,
    listed: Listed,
}

impl<'de> Deserialize<'de> for Clauses {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Clauses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{EFFECTS}, or a list of these")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Clauses, E> {
                let effect = effect(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))?;
                Ok(Clauses {
                    clauses: vec![Clause { when: Vec::new(), role: None, effect }],
                    listed: Listed::No,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Clauses, A::Error> {
                let clause = Clause::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Clauses { clauses: vec![clause], listed: Listed::No })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Clauses, A::Error> {
                let mut clauses: Vec<Clause> = Vec::new();
                while let Some(clause) = seq.next_element()? {
                    if let Some(before) = clauses.iter().position(Clause::is_unconditional) {
                        return Err(A::Error::custom(format_args!(
                            "expected nothing after [{before}], which always matches, found [{}]",
                            clauses.len()
                        )));
                    }
                    clauses.push(clause);
                }
                if clauses.is_empty() {
                    return Err(A::Error::custom("expected at least one rule, found none"));
                }
                Ok(Clauses { clauses, listed: Listed::Yes })
            }
        }

        d.deserialize_any(OneOrMany)
    }
}

impl<'de> Deserialize<'de> for Clause {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct EffectOrTable;

        impl<'de> Visitor<'de> for EffectOrTable {
            type Value = Clause;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EFFECTS)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Clause, E> {
                let effect = effect(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))?;
                Ok(Clause { when: Vec::new(), role: None, effect })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Clause, A::Error> {
                ClauseTable::deserialize(MapAccessDeserializer::new(map))?.clause().map_err(A::Error::custom)
            }
        }

        d.deserialize_any(EffectOrTable)
    }
}

fn effect(name: &str) -> Option<Effect> {
    match name {
        "allow" => Some(Effect::Allow),
        "ask" => Some(Effect::Ask(Asking::default())),
        "deny" => Some(Effect::Deny),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClauseTable {
    #[serde(default, deserialize_with = "condition::conditions")]
    when: Vec<Condition>,
    role: Option<Role>,
    effect: Option<EffectName>,
    ask: Option<Role>,
    #[serde(default, deserialize_with = "expiry")]
    expires: Option<Duration>,
    #[serde(default, deserialize_with = "approvals")]
    approvals: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum EffectName {
    Allow,
    Ask,
    Deny,
}

/// A viewer starts no turn and approves nothing.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    Member,
    Admin,
    Owner,
}

impl From<Role> for WorkspaceRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Member => Self::Member,
            Role::Admin => Self::Admin,
            Role::Owner => Self::Owner,
        }
    }
}

impl ClauseTable {
    fn clause(self) -> Result<Clause, &'static str> {
        let default = Asking::default();
        let asking = Asking {
            role: self.ask.map(WorkspaceRole::from),
            expires_after: self.expires.unwrap_or(default.expires_after),
            approvals: self.approvals.unwrap_or(default.approvals),
        };
        let effect = match (self.effect, self.ask) {
            (Some(EffectName::Ask), None) | (None, Some(_)) => Effect::Ask(asking),
            (Some(_), Some(_)) => return Err("expected `effect` or `ask`, found both"),
            (None, None) => return Err("expected `effect` or `ask`, found neither"),
            (Some(EffectName::Allow | EffectName::Deny), None) if self.expires.is_some() => {
                return Err("expected `expires` only beside an ask, found it without");
            }
            (Some(EffectName::Allow | EffectName::Deny), None) if self.approvals.is_some() => {
                return Err("expected `approvals` only beside an ask, found it without");
            }
            (Some(EffectName::Allow), None) => Effect::Allow,
            (Some(EffectName::Deny), None) => Effect::Deny,
        };
        Ok(Clause { when: self.when, role: self.role.map(WorkspaceRole::from), effect })
    }
}

fn expiry<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
    let expiry: Duration = humantime_serde::deserialize(d)?;
    if expiry.is_zero() {
        return Err(D::Error::custom("expected more than no time"));
    }
    Ok(Some(expiry))
}

fn approvals<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    match u32::deserialize(d)? {
        0 => Err(D::Error::custom("expected at least 1, found 0")),
        approvals => Ok(Some(approvals)),
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse()
            .map_err(|_| D::Error::invalid_value(Unexpected::Str(&text), &r#"a pattern such as "files.*""#))
    }
}
