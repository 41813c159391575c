//! Tools by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir::clock::Clock;
use weir::tool::{HttpToolConfig, Misconfigured, NameTaken, Tool, Toolbox};

use crate::shop::{config, made};

fn configured() -> HttpToolConfig {
    config(([127, 0, 0, 1], 1).into())
}

fn toolbox(names: &[&str]) -> Result<Toolbox, Misconfigured> {
    let tools = names.iter().map(|name| ((*name).to_owned(), configured()));
    Toolbox::new(&tools.collect(), &|_| None, Clock::System)
}

#[test]
fn tools_are_found_by_name_and_by_pattern() {
    let toolbox = toolbox(&["docs.read", "docs.write", "refund"]).unwrap();
    assert!(toolbox.get("refund").is_some() && toolbox.get("docs.*").is_none());
    let matching = |patterns: &[&str]| {
        let patterns: Vec<_> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let tools = toolbox.matching(&patterns);
        tools.iter().map(|tool| tool.spec().name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(matching(&["refund", "docs.*", "docs.read", "gone"]), ["docs.read", "docs.write", "refund"]);
    assert_eq!(matching(&["c*"]), ["calculator", "clock"]);
    assert_eq!(matching(&[]), Vec::<String>::new());
}

#[test]
fn no_two_tools_have_one_name() {
    let mut toolbox = toolbox(&[]).unwrap();
    let refund: Arc<dyn Tool> = Arc::new(made(&configured()));
    assert_eq!(toolbox.add(refund.clone()), Ok(()));
    assert_eq!(toolbox.add(refund), Err(NameTaken("refund".to_owned())));

    let Err(wrong) = self::toolbox(&["clock"]) else { panic!("a built-in tool was replaced") };
    assert_eq!(wrong.to_string(), "tools.clock: expected another name; this one is a built-in tool's");
}

#[test]
fn what_only_the_start_finds_out_names_its_key() {
    let wrong = |change: fn(&mut HttpToolConfig)| {
        let mut config = configured();
        change(&mut config);
        let env = |name: &str| (name == "SET").then(|| "token".to_owned());
        match Toolbox::new(&BTreeMap::from([("refund".to_owned(), config)]), &env, Clock::System) {
            Err(wrong) => wrong.to_string(),
            Ok(_) => panic!("it was accepted"),
        }
    };
    assert_eq!(
        wrong(|config| config.auth_env = Some("SHOP_TOKEN".to_owned())),
        "tools.refund.auth_env: the environment variable `SHOP_TOKEN` is not set"
    );
    assert_eq!(
        wrong(|config| {
            config.auth_env = Some("SET".to_owned());
            config.headers.insert("Authorization".to_owned(), "Basic x".into());
        }),
        "tools.refund.auth_env: expected one of auth_env and headers.authorization"
    );
    assert_eq!(
        wrong(|config| drop(config.headers.insert("not a name".to_owned(), "x".into()))),
        "tools.refund.headers.not a name: expected the name of a header"
    );
    assert_eq!(
        wrong(|config| drop(config.headers.insert("x-key".to_owned(), "a\nb".into()))),
        "tools.refund.headers.x-key: expected a value that can stand in a header"
    );
}
