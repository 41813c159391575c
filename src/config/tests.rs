//! Configurations, right and wrong, and the words for what is wrong.

use std::path::PathBuf;

use secrecy::ExposeSecret;

use super::*;
use crate::chat::policy::Rule;

struct Given {
    _dir: tempfile::TempDir,
    dir: PathBuf,
    file: PathBuf,
}

fn given(text: &str) -> Given {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("weir.toml");
    std::fs::write(&file, text).unwrap();
    Given { dir: dir.path().to_owned(), file, _dir: dir }
}

impl Given {
    fn load(&self, env: &[(&str, &str)], flags: Flags) -> Result<Config, Error> {
        let flags = Flags { config: Some(self.file.clone()), ..flags };
        Config::load(&flags, |name| {
            env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    /// The error, with the directory of the test taken out.
    fn refused(&self, env: &[(&str, &str)], flags: Flags) -> String {
        let error = self.load(env, flags).expect_err("this configuration is wrong").to_string();
        error.replace(&format!("{}/", self.dir.display()), "")
    }
}

/// A tool behind HTTP, and one line more.
fn tool(line: &str) -> String {
    format!(
        "[tools.refund]\nurl = \"https://shop.example\"\ndescription = \"Refund\"\nschema = {{ type = \"object\" }}\n{line}"
    )
}

#[test]
fn a_wrong_file_is_refused_with_its_key_and_what_was_expected() {
    for (text, expected) in [
        (
            "[providers.openai]\nkind = \"openai-chat\"\nidle_timeout = \"abc\"",
            r#"weir.toml: providers.openai.idle_timeout: expected a duration such as "60s", found "abc""#,
        ),
        (
            "[server]\nlisten = \"localhost\"",
            r#"weir.toml: server.listen: expected an address and port such as "127.0.0.1:8080", found "localhost""#,
        ),
        (
            "[server]\nlisten = 8080",
            r#"weir.toml: server.listen: expected an address and port such as "127.0.0.1:8080", found integer 8080"#,
        ),
        (
            "[server]\nprot = 8080",
            "weir.toml: server.prot: unknown key; expected one of listen, data, public_url, trusted_proxies, allowed_origins, grace",
        ),
        (
            "[sever]\nlisten = \"127.0.0.1:1\"",
            "weir.toml: sever: unknown key; expected one of server, providers, agents, tools, mcp, auth, logging, metrics, limits, files, webhooks, email",
        ),
        (
            "[files]\nmax_bytes = \"50MB\"",
            r#"weir.toml: files.max_bytes: expected a whole number, found "50MB""#,
        ),
        (
            "[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"10.0.0.0/99\"]",
            r#"weir.toml: server.trusted_proxies[1]: expected an address or network such as "10.0.0.0/8", found "10.0.0.0/99""#,
        ),
        (
            "[server]\nallowed_origins = [\"*\"]",
            r#"weir.toml: server.allowed_origins[0]: expected an origin such as "https://chat.example.com", found "*""#,
        ),
        (
            "[server]\npublic_url = \"https://example.com/chat\"",
            r#"weir.toml: server.public_url: expected an origin such as "https://chat.example.com", found "https://example.com/chat""#,
        ),
        (
            "[agents.default]\nmax_steps = -1",
            "weir.toml: agents.default.max_steps: expected a whole number, found integer -1",
        ),
        (
            "[agents.default]\nmax_steps = 0",
            "weir.toml: agents.default.max_steps: expected at least 1, found 0",
        ),
        (
            "[agents.default]\nrecovery = \"retry\"",
            r#"weir.toml: agents.default.recovery: expected one of "continue", "restart", "fail", found "retry""#,
        ),
        (
            "[agents.default]\nprefill = \"yes\"",
            r#"weir.toml: agents.default.prefill: expected true or false, found "yes""#,
        ),
        (
            "[agents.default]\ntools = \"clock\"",
            r#"weir.toml: agents.default.tools: expected a list, found "clock""#,
        ),
        (
            "[agents.default]\nprovider = \"opnai\"",
            r#"weir.toml: agents.default.provider: expected a key of `providers`, which is empty, found "opnai""#,
        ),
        (
            "[providers.a]\nkind = \"demo\"\n[agents.default]\nprovider = \"b\"",
            r#"weir.toml: agents.default.provider: expected one of "a", found "b""#,
        ),
        (
            "[providers.a]\nkind = \"demo\"\n[providers.b]\nkind = \"demo\"",
            r#"weir.toml: agents.default.provider: is missing; expected one of "a", "b""#,
        ),
        ("[providers.a]\nbase_url = \"http://127.0.0.1\"", "weir.toml: providers.a.kind: is missing"),
        (
            "[providers.a]\nkind = \"openai\"",
            r#"weir.toml: providers.a.kind: expected one of "openai-chat", "openai-responses", "anthropic", "ollama", "demo", found "openai""#,
        ),
        (
            "[agents.default]\nprompt = \"gone.md\"",
            "weir.toml: agents.default.prompt: expected a readable file, found none at gone.md",
        ),
        (
            "[logging]\nlevel = \"loud\"",
            r#"weir.toml: logging.level: expected a level such as "info" or a filter such as "warn,weir=debug", found "loud""#,
        ),
        (
            "[logging]\nformat = \"xml\"",
            r#"weir.toml: logging.format: expected one of "text", "json", found "xml""#,
        ),
        (
            "[limits]\nmessage_bytes = 9999999",
            "weir.toml: limits.message_bytes: expected at most limits.body_bytes (4194304), found 9999999",
        ),
        (
            "[webhooks]\nretry = [\"5s\", \"soon\"]",
            r#"weir.toml: webhooks.retry[1]: expected a time such as "5m", found "soon""#,
        ),
        (
            "[email]\nsmtp = \"smtps://mail.example\"",
            "weir.toml: email.from: is missing; expected a sender such as \"Weir <weir@example.com>\"",
        ),
        ("[tools.refund]\nurl = \"https://shop.example\"", "weir.toml: tools.refund.description: is missing"),
        (
            &tool("prot = 1"),
            "weir.toml: tools.refund.prot: unknown key; expected one of url, description, schema, timeout, idempotent, allow_private_address, headers, auth_env",
        ),
        (
            &tool("timeout = \"soon\""),
            r#"weir.toml: tools.refund.timeout: expected a duration such as "60s", found "soon""#,
        ),
        (&tool("timeout = \"0s\""), "weir.toml: tools.refund.timeout: expected more than no time"),
        (
            &tool("").replace("shop.example", "[::ffff:10.0.0.1]"),
            r#"weir.toml: tools.refund.url: expected a public address, or allow_private_address = true, found "[::ffff:a00:1]""#,
        ),
        (
            &tool("").replace("https", "ftp"),
            r#"weir.toml: tools.refund.url: expected an http or https URL, found "ftp://shop.example""#,
        ),
        (
            &tool("").replace("shop.example", "me:secret@shop.example"),
            "weir.toml: tools.refund.url: expected no password in it; use auth_env or headers",
        ),
        (
            &tool("").replace("object", "text"),
            r#"weir.toml: tools.refund.schema: expected a JSON Schema with type = "object""#,
        ),
        (
            &tool("").replace("\"object\"", "\"object\", required = \"order\""),
            r#"weir.toml: tools.refund.schema: expected a JSON Schema: /required: "order" is not of type "array""#,
        ),
        (
            &tool("").replace("refund", "clock"),
            "weir.toml: tools.clock: expected another name; this one is a built-in tool's",
        ),
        (
            &tool("").replace("refund", "'re fund'"),
            "weir.toml: tools.re fund: expected a name of 1 to 64 letters, digits, `_`, `-` and `.`",
        ),
        ("[mcp.disk]", "weir.toml: mcp.disk.command: is missing; expected command or url"),
        (
            "[mcp.disk]\ncommand = [\"a\"]\nurl = \"https://mcp.example\"",
            "weir.toml: mcp.disk.url: expected one of command and url",
        ),
        (
            "[mcp.disk]\nurl = \"http://169.254.169.254/mcp\"",
            r#"weir.toml: mcp.disk.url: expected a public address, or allow_private_address = true, found "169.254.169.254""#,
        ),
        (
            "[mcp.disk]\ncommand = [\"a\"]\nscopes = [\"b\"]",
            "weir.toml: mcp.disk.scopes: expected it only with url",
        ),
        (
            "[mcp.disk]\nurl = \"https://mcp.example\"\nclient_id = \"b\"",
            "weir.toml: mcp.disk.client_id: expected it only with auth",
        ),
        (
            "[mcp.disk]\nurl = \"https://mcp.example\"\nauth = \"client_credentials\"",
            r#"weir.toml: mcp.disk.auth: expected client_id and client_secret beside "client_credentials""#,
        ),
        (
            "[mcp.'a.b']\ncommand = [\"a\"]",
            "weir.toml: mcp.a.b: expected a name of 1 to 32 letters, digits, `_` and `-`",
        ),
        (
            "[mcp.files]\ncommand = [\"a\"]",
            "weir.toml: mcp.files: expected another name; tools of this server begin with it",
        ),
        ("[mcp.disk]\ncommand = []", "weir.toml: mcp.disk.command: is missing; expected command or url"),
        ("server = 1", "weir.toml: server: expected a table, found integer 1"),
        ("[server]\nlisten = ", "weir.toml:2: string values must be quoted, expected literal string"),
    ] {
        assert_eq!(given(text).refused(&[], Flags::default()), expected, "{text}");
    }
}

#[test]
fn a_wrong_policy_is_refused_with_its_key_and_what_was_expected() {
    for (rule, expected) in [
        (
            r#""clock" = "alow""#,
            r#".clock: expected "allow", "ask", "deny" or a table such as { ask = "admin", expires = "24h" }, or a list of these, found "alow""#,
        ),
        (
            r#""refund" = ["ask", true]"#,
            r#".refund[1]: expected "allow", "ask", "deny" or a table such as { ask = "admin", expires = "24h" }, found boolean true"#,
        ),
        (r#""refund" = []"#, ".refund: expected at least one rule, found none"),
        (
            r#""refund" = ["deny", "ask"]"#,
            ".refund: expected nothing after [0], which always matches, found [1]",
        ),
        (
            r#""files.*" = { ask = "viewer" }"#,
            r#".files.*.ask: expected one of "member", "admin", "owner", found "viewer""#,
        ),
        (
            r#""files.*" = { effect = "alow" }"#,
            r#".files.*.effect: expected one of "allow", "ask", "deny", found "alow""#,
        ),
        (
            r#"files.read = "allow""#,
            ".files.read: unknown key; expected one of when, role, effect, ask, expires, approvals",
        ),
        (r#""a" = { role = "admin" }"#, ".a: expected `effect` or `ask`, found neither"),
        (r#""a" = { ask = "admin", effect = "deny" }"#, ".a: expected `effect` or `ask`, found both"),
        (
            r#""a" = { effect = "allow", expires = "1h" }"#,
            ".a: expected `expires` only beside an ask, found it without",
        ),
        (
            r#""a" = { effect = "deny", approvals = 2 }"#,
            ".a: expected `approvals` only beside an ask, found it without",
        ),
        (
            r#""a" = { ask = "admin", expires = 24 }"#,
            r#".a.expires: expected a duration such as "60s", found integer 24"#,
        ),
        (r#""a" = { ask = "admin", expires = "0s" }"#, ".a.expires: expected more than no time"),
        (r#""a" = { ask = "admin", approvals = 0 }"#, ".a.approvals: expected at least 1, found 0"),
        (
            r#""a" = { effect = "allow", when = {} }"#,
            ".a.when: expected at least one JSON pointer, found none",
        ),
        (
            r#""a" = { effect = "allow", when = { amount = { max = 1 } } }"#,
            r#".a.when.amount: expected a JSON pointer such as "/amount", found "amount""#,
        ),
        (
            r#""a" = { effect = "allow", when = { "/a~2" = { max = 1 } } }"#,
            r#".a.when./a~2: expected a JSON pointer such as "/amount", found "/a~2""#,
        ),
        (
            r#""a" = ["ask", { effect = "allow", when = { "/n" = { max = "20" } } }]"#,
            r#".a[1].when./n.max: expected a number, found "20""#,
        ),
        (
            r#""a" = { effect = "allow", when = { "/n" = { max = nan } } }"#,
            ".a.when./n.max: expected text, a finite number, true or false, found floating point NaN",
        ),
        (
            r#""a" = { effect = "allow", when = { "/n" = { min = 2, max = 1.5 } } }"#,
            ".a.when./n: expected `min` to be at most `max`, found it above",
        ),
        (
            r#""a" = { effect = "allow", when = { "/n" = { equals = [1] } } }"#,
            ".a.when./n.equals: expected text, a finite number, true or false, found sequence",
        ),
        (
            r#""a" = { effect = "allow", when = { "/n" = { regex = "a" } } }"#,
            ".a.when./n.regex: unknown key; expected one of present, equals, one_of, min, max, prefix, glob, each",
        ),
        (
            r#""a" = { effect = "allow", when = { "/n" = { prefix = "a", max = 1 } } }"#,
            ".a.when./n: expected one test (or `min` and `max`), found several",
        ),
        (
            r#""a" = { effect = "allow", when = { "/n" = {} } }"#,
            ".a.when./n: expected one of `present`, `equals`, `one_of`, `min`, `max`, `prefix`, `glob`, `each`, found none",
        ),
        (
            r#""a" = { effect = "allow", when = { "/n" = { each = { present = true } } } }"#,
            ".a.when./n: expected `each` to test values, found `present`, which every item is",
        ),
        (
            r#""a" = { effect = "allow", when = { "/n" = { one_of = [] } } }"#,
            ".a.when./n: expected at least one value in `one_of`, found none",
        ),
        (
            r#""a" = { effect = "allow", when = { "/n" = { prefix = "" } } }"#,
            ".a.when./n: expected a `prefix` of at least one character, found none",
        ),
        (r#""" = "allow""#, r#".: expected a pattern such as "files.*", found """#),
        (
            "\"*\" = \"allow\"\n\"shell.*\" = \"deny\"",
            r#": expected "shell.*" before "*", found it after that, where it is never reached"#,
        ),
    ] {
        let found = given(&format!("[agents.default.policy]\n{rule}")).refused(&[], Flags::default());
        assert_eq!(found, format!("weir.toml: agents.default.policy{expected}"), "{rule}");
    }
}

#[test]
fn a_wrong_variable_or_flag_is_named_instead_of_the_file() {
    let given = given("[server]\nlisten = \"127.0.0.1:1\"");
    assert_eq!(
        given.refused(&[("WEIR_LISTEN", "8080")], Flags::default()),
        r#"WEIR_LISTEN: expected an address and port such as "127.0.0.1:8080", found "8080""#
    );
    assert_eq!(
        given.refused(&[("WEIR_LISTEN", "8080")], Flags { listen: Some("here".into()), ..Flags::default() }),
        r#"--listen: expected an address and port such as "127.0.0.1:8080", found "here""#
    );
    assert_eq!(
        given.refused(&[("WEIR_TRUSTED_PROXIES", "10.0.0.0/8, proxy")], Flags::default()),
        r#"WEIR_TRUSTED_PROXIES: expected an address or network such as "10.0.0.0/8", found "proxy""#
    );
    let short = given.refused(&[("WEIR_ROOT_KEY", "hunter2")], Flags::default());
    assert_eq!(short, "WEIR_ROOT_KEY: expected at least 32 characters, found 7");
}

#[test]
fn a_file_that_was_named_must_exist() {
    let flags = Flags { config: Some("/nowhere/weir.toml".into()), ..Flags::default() };
    let error = Config::load(&flags, |_| None).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/weir.toml: cannot be read: No such file"), "{error}");
}

#[test]
fn flags_beat_variables_which_beat_the_file() {
    let given = given("[server]\nlisten = \"127.0.0.1:1\"\ndata = \"kept\"");
    let listen = |env, flags| given.load(env, flags).unwrap().server.listen.port();
    let flag = || Flags { listen: Some("127.0.0.1:3".into()), ..Flags::default() };
    assert_eq!(listen(&[], Flags::default()), 1);
    assert_eq!(listen(&[("WEIR_LISTEN", "127.0.0.1:2")], Flags::default()), 2);
    assert_eq!(listen(&[("WEIR_LISTEN", "127.0.0.1:2")], flag()), 3);
    assert_eq!(listen(&[("WEIR_LISTEN", "")], Flags::default()), 1);
}

#[test]
fn a_path_in_the_file_is_relative_to_the_file_and_elsewhere_to_the_working_directory() {
    let given = given("[server]\ndata = \"kept\"\n[agents.default]\nprompt = \"prompt.md\"");
    std::fs::write(given.dir.join("prompt.md"), "Be brief.").unwrap();
    let config = given.load(&[], Flags::default()).unwrap();
    assert_eq!(config.server.data, given.dir.join("kept"));
    assert_eq!(config.agents["default"].prompt, Some(given.dir.join("prompt.md")));
    let config = given.load(&[("WEIR_DATA", "elsewhere")], Flags::default()).unwrap();
    assert_eq!(config.server.data, PathBuf::from("elsewhere"));
}

#[test]
fn the_provider_is_the_configured_one_then_the_first_with_a_key_in_the_environment() {
    let chosen = |text: &str, env: &[(&str, &str)]| match given(text)
        .load(env, Flags::default())
        .unwrap()
        .default_provider
    {
        ProviderChoice::Configured(name) => name,
        ProviderChoice::OpenAi { api_key, base_url } => {
            format!("{} at {base_url:?}", api_key.expose_secret())
        }
        ProviderChoice::Anthropic { api_key } => api_key.expose_secret().to_owned(),
        ProviderChoice::OllamaOrDemo => "ollama or demo".to_owned(),
    };
    let both =
        [("OPENAI_API_KEY", "sk-1"), ("OPENAI_BASE_URL", "http://x/v1"), ("ANTHROPIC_API_KEY", "sk-2")];
    assert_eq!(chosen("[providers.mine]\nkind = \"demo\"", &both), "mine");
    assert_eq!(chosen("", &both), r#"sk-1 at Some("http://x/v1")"#);
    assert_eq!(chosen("", &both[2..]), "sk-2");
    assert_eq!(chosen("", &[("OPENAI_API_KEY", "")]), "ollama or demo");
}

#[test]
fn the_example_is_accepted_and_keeps_the_order_of_the_policy() {
    let config = given(include_str!("../../weir.example.toml")).load(&[], Flags::default()).unwrap();
    let agent = &config.agents["default"];
    let patterns: Vec<_> = agent.policy.rules().iter().map(Rule::pattern).collect();
    assert_eq!(patterns, ["clock", "refund", "files.read*", "files.delete*", "shell.*"]);
    assert_eq!(agent.max_wall, Duration::from_secs(1800));
    assert_eq!(config.server.public_url.as_ref().map(Origin::as_str), Some("https://chat.example.com"));
    assert_eq!(config.server.trusted_proxies[0].net(), "10.0.0.0/8".parse().unwrap());
}

#[test]
fn no_secret_is_shown_by_debug() {
    let text = "[providers.a]\nkind = \"demo\"\napi_key = \"canary-1\"\n[metrics]\ntoken = \"canary-2\"\n";
    let text = &format!("{text}{}", tool("headers = { x-key = \"canary-4\" }"));
    let env = [("WEIR_ROOT_KEY", "canary-3-canary-3-canary-3-canary-3")];
    let shown = format!("{:?}", given(text).load(&env, Flags::default()).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
}
