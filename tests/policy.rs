//! Whether a call runs, is asked for or never runs, by policies as they are written in `weir.toml`.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use weir::chat::approval::{ApprovalRule, RememberMatch, RememberScope};
use weir::chat::policy::{Asking, Effect, Hints, Policy, Question, Remembered, Verdict, evaluate, stricter};
use weir::clock::Timestamp;
use weir::id::{ApprovalId, ConversationId, RuleId, UserId};
use weir::scope::WorkspaceRole;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const HASH: &str = "as it is";
const HERE: ConversationId = ConversationId::from_bytes([3; 16]);

const REFUND: &str = r#"
    "refund" = [
        { when = { "/amount" = { max = 20 } }, effect = "allow" },
        { when = { "/amount" = { max = 500 } }, ask = "member" },
        "deny",
    ]"#;

fn policy(text: &str) -> Policy {
    toml::from_str(text).expect("the policy is right")
}

fn question<'a>(tool: &'a str, args: &'a Value) -> Question<'a> {
    Question {
        tool,
        args,
        conversation_id: HERE,
        agent: "default",
        role: WorkspaceRole::Member,
        hints: Hints::default(),
        now: NOW,
    }
}

fn asked(text: &str, question: &Question) -> Verdict {
    evaluate(&policy(text), &[], HASH, question)
}

fn verdict(effect: Effect, rule: &str) -> Verdict {
    Verdict { effect, rule: Some(rule.to_owned()) }
}

fn asking(role: Option<WorkspaceRole>, approvals: u32, expires_after: Duration) -> Effect {
    Effect::Ask(Asking { role, expires_after, approvals })
}

fn id(of: &str) -> RuleId {
    let mut bytes = [0; 16];
    bytes[..of.len()].copy_from_slice(of.as_bytes());
    RuleId::from_bytes(bytes)
}

fn by_rule(of: &str) -> Verdict {
    verdict(Effect::Allow, &id(of).to_string())
}

fn a_rule(of: &str) -> Remembered {
    let rule = ApprovalRule {
        id: id(of),
        tool: "refund".to_owned(),
        scope: RememberScope::Workspace,
        conversation_id: None,
        agent: None,
        matches: RememberMatch::Tool,
        args: None,
        tool_hash: HASH.to_owned(),
        made_by: UserId::new(),
        made_as: WorkspaceRole::Member,
        made_at: NOW,
        approval_id: ApprovalId::from_bytes([1; 16]),
        expires_at: None,
        revoked_at: None,
        revoked_by: None,
    };
    Remembered { rule, role: WorkspaceRole::Member, may_write: true }
}

fn ruled(of: &str, change: impl FnOnce(&mut ApprovalRule)) -> Remembered {
    let mut remembered = a_rule(of);
    change(&mut remembered.rule);
    remembered
}

#[test]
fn what_no_rule_names_is_asked_for_seven_days() {
    let expected = Verdict { effect: asking(None, 1, Duration::from_secs(7 * 24 * 3600)), rule: None };
    assert_eq!(asked("", &question("clock", &json!({}))), expected);
    assert_eq!(asked(r#""clock" = "allow""#, &question("clocks", &json!({}))), expected);
}

#[test]
fn the_first_pattern_wins_in_the_order_of_the_file() {
    let text = r#"
        "zeta" = "allow"
        "files.read_*" = "allow"
        "files.*" = { ask = "admin", expires = "24h", approvals = 2 }
        "alpha" = "allow"
        "*" = "deny""#;
    let day = Duration::from_secs(24 * 3600);
    for (tool, expected) in [
        ("zeta", verdict(Effect::Allow, "zeta")),
        ("files.read_all", verdict(Effect::Allow, "files.read_*")),
        ("files.delete", verdict(asking(Some(WorkspaceRole::Admin), 2, day), "files.*")),
        ("alpha", verdict(Effect::Allow, "alpha")),
        ("files", verdict(Effect::Deny, "*")),
    ] {
        assert_eq!(asked(text, &question(tool, &json!({}))), expected, "{tool}");
    }
}

#[test]
fn an_amount_decides_and_what_is_no_amount_is_refused() {
    let member = Effect::Ask(Asking { role: Some(WorkspaceRole::Member), ..Asking::default() });
    for (args, expected) in [
        (json!({"amount": 20}), verdict(Effect::Allow, "refund[0]")),
        (json!({"amount": 20.0}), verdict(Effect::Allow, "refund[0]")),
        (json!({"amount": 20.000_000_000_000_004}), verdict(member.clone(), "refund[1]")),
        (json!({"amount": 500}), verdict(member, "refund[1]")),
        (json!({"amount": 501}), verdict(Effect::Deny, "refund[2]")),
        (json!({"amount": "20"}), verdict(Effect::Deny, "refund[2]")),
        (json!({"amount": null}), verdict(Effect::Deny, "refund[2]")),
        (json!({"amount": [20]}), verdict(Effect::Deny, "refund[2]")),
        (json!({"Amount": 20}), verdict(Effect::Deny, "refund[2]")),
        (json!({"amount": 1e300}), verdict(Effect::Deny, "refund[2]")),
        (json!([]), verdict(Effect::Deny, "refund[2]")),
    ] {
        assert_eq!(asked(REFUND, &question("refund", &args)), expected, "{args}");
    }
}

#[test]
fn a_denial_or_an_ask_that_cannot_be_judged_makes_stricter_what_follows() {
    let denied = r#""sh" = [{ when = { "/force" = { equals = true } }, effect = "deny" }, "allow"]"#;
    for (args, expected) in [
        (json!({"force": true}), verdict(Effect::Deny, "sh[0]")),
        (json!({"force": "true"}), verdict(Effect::Deny, "sh[0]")),
        (json!({}), verdict(Effect::Deny, "sh[0]")),
        (json!({"force": false}), verdict(Effect::Allow, "sh[1]")),
    ] {
        assert_eq!(asked(denied, &question("sh", &args)), expected, "{args}");
    }

    let doubted = r#"
        "sh" = [
            { when = { "/n" = { max = 1 } }, ask = "owner" },
            { when = { "/present" = { present = true } }, effect = "ask", approvals = 3, expires = "1h" },
            "allow",
        ]"#;
    let both = asking(Some(WorkspaceRole::Owner), 3, Duration::from_secs(3600));
    assert_eq!(asked(doubted, &question("sh", &json!({"n": "1", "present": 1}))), verdict(both, "sh[0]"));
    let owner = Effect::Ask(Asking { role: Some(WorkspaceRole::Owner), ..Asking::default() });
    assert_eq!(asked(doubted, &question("sh", &json!({"n": "1"}))), verdict(owner, "sh[0]"));
    assert_eq!(asked(doubted, &question("sh", &json!({"n": 2}))), verdict(Effect::Allow, "sh[2]"));
}

#[test]
fn all_conditions_of_a_rule_must_hold_and_a_list_without_an_end_falls_through() {
    let text = r#"
        "fetch" = [
            { when = { "/url" = { prefix = "https://shop.example/" }, "/method" = { one_of = ["GET", "HEAD"] } }, effect = "allow" },
        ]
        "f*" = "deny""#;
    let allowed = json!({"url": "https://shop.example/a", "method": "GET"});
    assert_eq!(asked(text, &question("fetch", &allowed)), verdict(Effect::Allow, "fetch[0]"));
    for args in [
        json!({"url": "https://shop.example/a", "method": "POST"}),
        json!({"url": "https://shop.example.evil.test/a", "method": "GET"}),
        json!({"url": "https://shop.example/a"}),
        json!({"url": "https://shop.example/../a", "method": "GET"}),
    ] {
        assert_eq!(asked(text, &question("fetch", &args)), verdict(Effect::Deny, "f*"), "{args}");
    }
}

#[test]
fn pointers_reach_into_objects_and_lists() {
    let text = r#"
        "a" = [{ when = { "/a~1b/0/c~0d" = { equals = "x" }, "/all" = { each = { glob = "/srv/*" } } }, effect = "allow" }, "deny"]"#;
    let allowed = json!({"a/b": [{"c~d": "x"}], "all": ["/srv/1", "/srv/2"]});
    assert_eq!(asked(text, &question("a", &allowed)).effect, Effect::Allow);
    for all in [json!(["/srv/1", "/etc/2"]), json!(["/srv/1/2"]), json!([]), json!("/srv/1")] {
        let args = json!({"a/b": [{"c~d": "x"}], "all": all});
        assert_eq!(asked(text, &question("a", &args)).effect, Effect::Deny, "{args}");
    }
}

#[test]
fn a_rule_for_a_role_is_for_those_above_it_too() {
    let text = r#""deploy" = [{ role = "admin", effect = "allow" }, "deny"]"#;
    for (role, expected) in [
        (WorkspaceRole::Viewer, Effect::Deny),
        (WorkspaceRole::Member, Effect::Deny),
        (WorkspaceRole::Admin, Effect::Allow),
        (WorkspaceRole::Owner, Effect::Allow),
    ] {
        let args = json!({});
        let question = Question { role, ..question("deploy", &args) };
        assert_eq!(asked(text, &question).effect, expected, "{role:?}");
    }
}

#[test]
fn hints_take_back_an_allow_that_did_not_name_the_tool() {
    let hints = |destructive, open_world| Hints { destructive, open_world };
    let ask = || Effect::Ask(Asking::default());
    for (pattern, hints, expected) in [
        ("files.delete", hints(Some(true), Some(true)), Effect::Allow),
        ("files.*", hints(Some(true), None), ask()),
        ("*", hints(Some(true), Some(false)), ask()),
        ("files.*", hints(None, Some(true)), Effect::Allow),
        ("*", hints(None, Some(true)), ask()),
        ("*", hints(None, None), Effect::Allow),
        ("*", hints(Some(false), Some(false)), Effect::Allow),
    ] {
        let args = json!({});
        let question = Question { hints, ..question("files.delete", &args) };
        let found = asked(&format!("{pattern:?} = \"allow\""), &question);
        assert_eq!(found, verdict(expected, pattern), "{pattern} {hints:?}");
    }
}

#[test]
fn a_remembered_yes_answers_an_ask_and_no_denial() {
    let args = json!({"order": "A-1", "amount": 30});
    let rules = [a_rule("first"), a_rule("second")];
    let by = |text: &str| evaluate(&policy(text), &rules, HASH, &question("refund", &args));
    assert_eq!(by(""), by_rule("first"));
    assert_eq!(by(REFUND), by_rule("first"));
    assert_eq!(by(r#""refund" = "allow""#), verdict(Effect::Allow, "refund"));
    assert_eq!(by(r#""refund" = "deny""#), verdict(Effect::Deny, "refund"));
    let doubted = r#""refund" = [{ when = { "/amount" = { equals = "30" } }, effect = "deny" }]"#;
    assert_eq!(by(doubted), verdict(Effect::Deny, "refund[0]"));
}

#[test]
fn a_remembered_yes_needs_the_role_that_the_ask_demands() {
    let args = json!({});
    for (ask, role, suffices) in [
        (r#""refund" = { ask = "member" }"#, WorkspaceRole::Viewer, false),
        (r#""refund" = { ask = "admin" }"#, WorkspaceRole::Member, false),
        (r#""refund" = { ask = "admin" }"#, WorkspaceRole::Admin, true),
        (r#""refund" = { ask = "admin" }"#, WorkspaceRole::Owner, true),
    ] {
        let rule = Remembered { role, may_write: false, ..a_rule("rule") };
        let found = evaluate(&policy(ask), &[rule], HASH, &question("refund", &args));
        assert_eq!(found.effect == Effect::Allow, suffices, "{ask} by {role:?}");
    }
}

#[test]
fn an_ask_for_two_approvals_is_answered_by_the_rules_of_two_people() {
    let args = json!({});
    let policy = policy(r#""refund" = { ask = "admin", approvals = 2 }"#);
    let allowed = |rules: &[Remembered]| {
        evaluate(&policy, rules, HASH, &question("refund", &args)).effect == Effect::Allow
    };
    let one = Remembered { role: WorkspaceRole::Admin, ..a_rule("one") };
    let again =
        Remembered { role: WorkspaceRole::Admin, ..ruled("again", |rule| rule.made_by = one.rule.made_by) };
    let other = Remembered { role: WorkspaceRole::Owner, ..a_rule("other") };
    let member = a_rule("member");
    assert!(!allowed(&[one.clone(), again, member]));
    assert!(allowed(&[one, other]));
}

#[test]
fn where_nobody_in_particular_is_asked_a_remembered_yes_is_for_where_its_maker_writes() {
    let args = json!({});
    for may_write in [false, true] {
        let rule = Remembered { may_write, role: WorkspaceRole::Owner, ..a_rule("rule") };
        let found = evaluate(&policy(""), &[rule], HASH, &question("refund", &args));
        assert_eq!(found.effect == Effect::Allow, may_write);
    }
}

#[test]
fn an_exact_rule_is_for_the_same_values() {
    let rule = |args: &str| {
        ruled("rule", |rule| {
            rule.matches = RememberMatch::Exact;
            rule.args = serde_json::from_str(args).unwrap();
        })
    };
    for (remembered, args, same) in [
        (r#"{"a": [1, {"b": null}], "c": "x"}"#, r#"{"c":"x","a":[1,{"b":null}]}"#, true),
        (r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#, false),
        (r#"{"a": 1}"#, r#"{"a": 1.0}"#, false),
        (r#"{"a": 1}"#, r#"{"a": "1"}"#, false),
        (r#"{"a": null}"#, "{}", false),
        (r#"{"a": 9007199254740993}"#, r#"{"a": 9007199254740992}"#, false),
        (r#"{"a": [18446744073709551617]}"#, r#"{"a": [18446744073709551616]}"#, false),
    ] {
        let args: Value = serde_json::from_str(args).unwrap();
        let found = evaluate(&policy(""), &[rule(remembered)], HASH, &question("refund", &args));
        assert_eq!(found.effect == Effect::Allow, same, "{remembered} for {args}");
    }
}

#[test]
fn a_remembered_rule_ends_with_the_moment_of_its_expiry() {
    let args = json!({});
    for (expires_at, holds) in [(NOW, false), (NOW.plus(Duration::from_millis(1)), true)] {
        let rule = ruled("rule", |rule| rule.expires_at = Some(expires_at));
        let found = evaluate(&policy(""), &[rule], HASH, &question("refund", &args));
        assert_eq!(found.effect == Effect::Allow, holds, "{expires_at}");
    }
}

/// Whether `b` asks for nothing beyond `a`.
fn at_least_as_strict(a: &Verdict, b: &Verdict) -> bool {
    stricter(a.clone(), b.clone()).effect == a.effect
}

fn any_role() -> impl Strategy<Value = WorkspaceRole> {
    use WorkspaceRole::{Admin, Member, Owner, Viewer};
    prop::sample::select(vec![Viewer, Member, Admin, Owner])
}

fn any_effect() -> impl Strategy<Value = Effect> {
    let asking = (prop::option::of(any_role()), 1..4_u32, 1..4_u64);
    let asking = asking.prop_map(|(role, approvals, hours)| Asking {
        role,
        expires_after: Duration::from_secs(hours * 3600),
        approvals,
    });
    prop_oneof![Just(Effect::Allow), asking.prop_map(Effect::Ask), Just(Effect::Deny)]
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    (any_effect(), prop::option::of("[ab]")).prop_map(|(effect, rule)| Verdict { effect, rule })
}

fn any_hint() -> impl Strategy<Value = Option<bool>> {
    prop::sample::select(vec![None, Some(false), Some(true)])
}

fn any_clause() -> impl Strategy<Value = String> {
    let effect = prop::sample::select(vec![
        r#"effect = "allow""#,
        r#"effect = "ask""#,
        r#"effect = "deny""#,
        r#"ask = "admin", approvals = 2"#,
        r#"ask = "owner", expires = "1h""#,
    ]);
    let condition = prop::sample::select(vec![
        r#"when = { "/n" = { max = 5 } }"#,
        r#"when = { "/n" = { min = 3 }, "/s" = { glob = "/a/*" } }"#,
        r#"when = { "/s" = { present = false } }"#,
        r#"role = "admin""#,
    ]);
    (effect, condition).prop_map(|(effect, condition)| format!("{{ {condition}, {effect} }}"))
}

/// Rules in which every pattern may be reached: what a clause wants may always be missing.
fn any_rules() -> impl Strategy<Value = Vec<String>> {
    let patterns = prop::sample::subsequence(vec!["x", "y", "x*", "*y", "*"], 0..=5).prop_shuffle();
    let clauses = || prop::collection::vec(any_clause(), 1..4);
    (patterns, prop::collection::vec(clauses(), 5)).prop_map(|(patterns, clauses)| {
        let written =
            |(pattern, clauses): (&str, Vec<String>)| format!("{pattern:?} = [{}]", clauses.join(", "));
        patterns.into_iter().zip(clauses).map(written).collect()
    })
}

fn any_args() -> impl Strategy<Value = Value> {
    let number =
        prop::sample::select(vec![None, Some(json!(4)), Some(json!(9)), Some(json!("4")), Some(json!(null))]);
    let text =
        prop::sample::select(vec![None, Some(json!("/a/b")), Some(json!("/a/b/c")), Some(json!("/b"))]);
    (number, text).prop_map(|(n, s)| {
        let fields =
            [("n", n), ("s", s)].into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Value::Object(fields.collect())
    })
}

fn any_tool() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["x", "y", "xy", "z"])
}

fn any_remembered() -> impl Strategy<Value = Vec<Remembered>> {
    let rule = (any_tool(), any_role(), any::<bool>(), any_args(), any::<bool>()).prop_map(
        |(tool, role, may_write, args, exact)| {
            let rule = ruled("remembered", |rule| {
                rule.tool = tool.to_owned();
                (rule.matches, rule.args) = match exact {
                    true => (RememberMatch::Exact, Some(args)),
                    false => (RememberMatch::Tool, None),
                };
            });
            Remembered { role, may_write, ..rule }
        },
    );
    prop::collection::vec(rule, 0..4)
}

/// A rule that would answer any ask for the tool, but for one thing.
fn any_void(tool: &'static str) -> impl Strategy<Value = Remembered> {
    let sound = |change: fn(&mut ApprovalRule)| {
        let rule = ruled("void", |rule| {
            rule.tool = tool.to_owned();
            change(rule);
        });
        Remembered { role: WorkspaceRole::Owner, ..rule }
    };
    prop::sample::select(vec![
        sound(|rule| rule.revoked_at = Some(NOW)),
        sound(|rule| rule.expires_at = Some(NOW)),
        sound(|rule| rule.tool_hash = "as it was".to_owned()),
        sound(|rule| rule.tool.push('2')),
        sound(|rule| {
            (rule.scope, rule.agent) = (RememberScope::Agent, Some("another".to_owned()));
        }),
        sound(|rule| {
            (rule.scope, rule.conversation_id) = (RememberScope::Conversation, Some(ConversationId::new()));
        }),
        sound(|rule| {
            (rule.matches, rule.args) = (RememberMatch::Exact, Some(json!({"other": 1})));
        }),
        Remembered { role: WorkspaceRole::Viewer, may_write: false, ..sound(|_| {}) },
    ])
}

proptest! {
    #[test]
    fn stricter_is_commutative_associative_and_idempotent(a in any_verdict(), b in any_verdict(), c in any_verdict()) {
        prop_assert_eq!(stricter(a.clone(), b.clone()), stricter(b.clone(), a.clone()));
        let left = stricter(stricter(a.clone(), b.clone()), c.clone());
        prop_assert_eq!(left, stricter(a.clone(), stricter(b.clone(), c)));
        prop_assert_eq!(stricter(a.clone(), a.clone()), a.clone());
        let both = stricter(a.clone(), b.clone());
        prop_assert!(at_least_as_strict(&both, &a) && at_least_as_strict(&both, &b));
    }

    #[test]
    fn a_denial_stands_over_an_ask_and_that_over_an_allow(a in any_verdict(), b in any_verdict()) {
        let rank = |verdict: &Verdict| match verdict.effect {
            Effect::Allow => 0,
            Effect::Ask(_) => 1,
            Effect::Deny => 2,
        };
        let both = stricter(a.clone(), b.clone());
        prop_assert_eq!(rank(&both), rank(&a).max(rank(&b)));
        prop_assert!(both.rule == a.rule || both.rule == b.rule);
    }

    #[test]
    fn hints_never_make_it_looser(
        rules in any_rules(), remembered in any_remembered(), args in any_args(), tool in any_tool(),
        role in any_role(), destructive in any_hint(), open_world in any_hint(),
    ) {
        let policy = policy(&rules.join("\n"));
        let without = Question { role, ..question(tool, &args) };
        let with = Question { hints: Hints { destructive, open_world }, ..without };
        let (with, without) = (
            evaluate(&policy, &remembered, HASH, &with),
            evaluate(&policy, &remembered, HASH, &without),
        );
        prop_assert!(at_least_as_strict(&with, &without), "{:?} is looser than {:?}", with, without);
    }

    #[test]
    fn a_remembered_rule_changes_an_ask_into_an_allow_and_nothing_else(
        rules in any_rules(), remembered in any_remembered(), args in any_args(), tool in any_tool(),
        role in any_role(),
    ) {
        let policy = policy(&rules.join("\n"));
        let question = Question { role, ..question(tool, &args) };
        let configured = evaluate(&policy, &[], HASH, &question);
        let found = evaluate(&policy, &remembered, HASH, &question);
        match configured.effect {
            Effect::Allow | Effect::Deny => prop_assert_eq!(found, configured),
            Effect::Ask(_) => prop_assert!(found == configured || found == by_rule("remembered")),
        }
    }

    #[test]
    fn a_void_rule_changes_nothing(
        rules in any_rules(), remembered in any_remembered(), args in any_args(), role in any_role(),
        (tool, void) in any_tool().prop_flat_map(|tool| (Just(tool), any_void(tool))), at in 0..4_usize,
    ) {
        let policy = policy(&rules.join("\n"));
        let question = Question { role, ..question(tool, &args) };
        let mut more = remembered.clone();
        more.insert(at.min(remembered.len()), void);
        prop_assert_eq!(
            evaluate(&policy, &more, HASH, &question),
            evaluate(&policy, &remembered, HASH, &question)
        );
    }

    #[test]
    fn the_first_match_wins_whatever_follows(
        first in any_effect(), rules in any_rules(), args in any_args(), tool in any_tool(),
    ) {
        let written = match &first {
            Effect::Allow => r#"effect = "allow""#.to_owned(),
            Effect::Deny => r#"effect = "deny""#.to_owned(),
            Effect::Ask(asking) => {
                let hours = asking.expires_after.as_secs() / 3600;
                format!(r#"effect = "ask", expires = "{hours}h", approvals = {}"#, asking.approvals)
            }
        };
        let expected = match first {
            Effect::Ask(asking) => Effect::Ask(Asking { role: None, ..asking }),
            effect => effect,
        };
        // It always holds for this member; without the role, nothing could be written below it.
        let first = format!(r#""**" = {{ role = "member", {written} }}"#);
        let found = asked(&format!("{first}\n{}", rules.join("\n")), &question(tool, &args));
        prop_assert_eq!(found, verdict(expected, "**"));
    }
}
