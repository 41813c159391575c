//! Signing in for a server, in the browser of an operator and without one.

use std::os::unix::fs::PermissionsExt;

use reqwest::Url;
use serde_json::json;

use crate::pretender::{Pretender, tool};
use crate::scene::Scene;
use crate::support::client::Reply;

const ALLOW: &str = "\"outside.*\" = \"allow\"";

/// The parts of the address that a browser is sent to.
struct Sent {
    url: Url,
}

impl Sent {
    fn part(&self, name: &str) -> String {
        let found = self.url.query_pairs().find(|(given, _)| given == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", self.url)).1.into_owned()
    }
}

async fn connect(scene: &Scene) -> Sent {
    let began = scene.client.post("/v1/mcp/outside/connect", &json!({})).await.expect(200);
    Sent { url: began["url"].as_str().expect("an address").parse().expect("a URL") }
}

async fn come_back(scene: &Scene, state: &str, code: &str) -> Reply {
    let path = format!("/v1/mcp/callback?state={state}&code={code}");
    let answer = scene.client.request(reqwest::Method::GET, &path).send().await.expect("an answer");
    Reply { status: answer.status().as_u16(), body: json!(answer.text().await.expect("a page")) }
}

#[tokio::test]
async fn a_person_signs_in_and_the_token_is_refreshed_and_kept() {
    let outside = Pretender::locked(vec![tool("look", "Looks")]).await;
    let mut scene = Scene::new(&format!("{}\nauth = \"oauth\"", outside.config()), ALLOW).await;
    let waiting =
        scene.outside_is("want a person", |outside| outside["state"] == "needs_authorization").await;
    assert_eq!((&waiting["signs_in"], &waiting["tools"]), (&json!(true), &json!([])));

    let sent = connect(&scene).await;
    assert_eq!(sent.part("code_challenge_method"), "S256");
    assert_eq!(sent.part("client_id"), "made-up-client");
    assert_eq!(sent.part("redirect_uri"), format!("{}/v1/mcp/callback", scene.server.base()));
    outside.agrees_to(&sent.part("code_challenge"));
    let state = sent.part("state");
    assert_eq!(come_back(&scene, "another-state", "the-code").await.status, 409);
    assert_eq!(outside.granted(), Vec::<String>::new());
    outside.tokens_last(1);
    assert_eq!(come_back(&scene, &state, "the-code").await.status, 200);
    // Once.
    assert_eq!(come_back(&scene, &state, "the-code").await.status, 409);
    scene.outside_is_ready().await;
    assert_eq!(outside.granted()[0], "authorization_code");

    // What has run out is refreshed before it is used.
    outside.tokens_last(3600);
    let turn = scene.calls(&[("look", json!({}))]).await;
    assert_eq!(scene.answer(&turn).await, "told: done");
    assert!(outside.granted().contains(&"refresh_token".to_owned()), "{:?}", outside.granted());

    let file = scene.server.data().join("mcp/outside.json");
    assert_eq!(std::fs::metadata(&file).expect("it is kept").permissions().mode() & 0o777, 0o600);
    scene.server.kill9();
    scene.server.restart().await;
    scene.outside_is_ready().await;
    let token = outside.token().expect("a token");
    assert!(std::fs::read_to_string(&file).expect("it is kept").contains(&token));
    assert!(!scene.server.said().contains("canary-token"), "a token stands in the log");
}

#[tokio::test]
async fn only_who_began_may_finish() {
    let outside = Pretender::locked(vec![tool("look", "Looks")]).await;
    let scene = Scene::new(&format!("{}\nauth = \"oauth\"", outside.config()), ALLOW).await;
    let sent = connect(&scene).await;
    outside.agrees_to(&sent.part("code_challenge"));
    let mut command = scene.server.command();
    let admin = |arguments: &[&str], command: &mut std::process::Command| {
        let mut one = std::process::Command::new(command.get_program());
        one.args(arguments)
            .current_dir(scene.server.path())
            .env_clear()
            .env("WEIR_DATA", scene.server.data());
        let output = one.output().expect("weir runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    admin(&["users", "create", "--name", "other", "--role", "admin"], &mut command);
    let key = admin(&["keys", "create", "--name", "k", "--user", "other", "--scopes", "admin"], &mut command);
    let other = crate::support::client::Client::new(scene.server.base(), &key);
    let path = format!("/v1/mcp/callback?state={}&code=the-code", sent.part("state"));
    assert_eq!(other.get(&path).await.status, 409);
    assert_eq!(outside.granted(), Vec::<String>::new());
    assert_eq!(come_back(&scene, &sent.part("state"), "the-code").await.status, 200);
}

#[tokio::test]
async fn a_secret_of_the_operator_is_enough() {
    let outside = Pretender::locked(vec![tool("look", "Looks")]).await;
    let config = format!(
        "{}\nauth = \"client_credentials\"\nclient_id = \"operator\"\nclient_secret = \"canary-client-secret\"",
        outside.config()
    );
    let scene = Scene::new(&config, ALLOW).await;
    scene.outside_is_ready().await;
    let turn = scene.calls(&[("look", json!({}))]).await;
    assert_eq!(scene.answer(&turn).await, "told: done");
    assert_eq!(scene.client.post("/v1/mcp/outside/connect", &json!({})).await.status, 409);
    assert!(!scene.server.said().contains("canary-"), "a secret stands in the log");
}
