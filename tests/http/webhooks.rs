//! Webhooks: whose they are, and what is wrong with a request.

use axum::http::Method;
use reqwest::Method as Verb;
use serde_json::json;

use crate::app::{Answer, TestApp};

const URL: &str = "https://example.com/hook";

#[tokio::test]
async fn another_workspace_and_those_who_are_no_admins_reach_none() {
    let app = TestApp::demo().await;
    let made = app.as_operator(Method::POST, "/v1/webhooks", &json!({"url": URL})).await.is(201);
    let path = format!("/v1/webhooks/{}", made["webhook"]["id"].as_str().unwrap());
    let test = app.as_operator(Method::POST, &format!("{path}/test"), &json!({})).await.is(202);
    let again = format!("{path}/deliveries/{}/redeliver", test["id"].as_str().unwrap());
    let all = [
        (Verb::GET, path.clone()),
        (Verb::PATCH, path.clone()),
        (Verb::POST, format!("{path}/rotate-secret")),
        (Verb::POST, format!("{path}/test")),
        (Verb::GET, format!("{path}/deliveries")),
        (Verb::POST, again),
        (Verb::DELETE, path.clone()),
    ];
    for (method, path) in all {
        let as_whom = async |token: &str| {
            let request = app.request(method.clone(), &path, token);
            let request =
                if method == Verb::PATCH { request.json(&json!({"enabled": false})) } else { request };
            Answer::of(request).await
        };
        assert_eq!(as_whom(&app.people.foreign_operator).await.problem(404), "not-found", "{method} {path}");
        for token in [&app.people.owner, &app.people.admin, &app.people.member, &app.people.viewer] {
            assert_eq!(as_whom(token).await.problem(403), "forbidden", "{method} {path}");
        }
    }
    app.as_operator(Method::GET, &path, &json!({})).await.is(200);
    let elsewhere = Answer::of(app.request(Verb::GET, "/v1/webhooks", &app.people.foreign_operator)).await;
    assert_eq!(elsewhere.is(200)["items"], json!([]));
}

#[tokio::test]
async fn what_is_wrong_with_one_is_named() {
    let app = TestApp::demo().await;
    for (body, pointer) in [
        (json!({"url": "http://example.com/"}), "/url"),
        (json!({"url": "https://10.0.0.1/"}), "/url"),
        (json!({"url": URL, "events": []}), "/events"),
        (json!({"url": URL, "events": ["nonsense"]}), "/events/0"),
        (json!({"url": URL, "agents": []}), "/agents"),
        (json!({"url": URL, "agents": ["default", "nobody"]}), "/agents/1"),
        (json!({"url": URL, "description": ""}), "/description"),
        (json!({"url": URL, "secret": "mine"}), "/secret"),
    ] {
        let answer = app.as_operator(Method::POST, "/v1/webhooks", &body).await;
        assert_eq!(answer.invalid(), pointer, "{body}");
    }
    let made =
        app.as_operator(Method::POST, "/v1/webhooks", &json!({"url": URL, "agents": ["default"]})).await;
    let path = format!("/v1/webhooks/{}", made.is(201)["webhook"]["id"].as_str().unwrap());
    let changes =
        json!({"agents": null, "description": "ours", "events": ["turn.finished"], "enabled": false});
    let changed = app.as_operator(Method::PATCH, &path, &changes).await.is(200);
    assert_eq!((&changed["agents"], &changed["description"]), (&json!(null), &json!("ours")));
    assert_eq!((&changed["events"], &changed["enabled"]), (&json!(["turn.finished"]), &json!(false)));
    assert_eq!(app.as_operator(Method::PATCH, &path, &json!({"url": "ftp://a/"})).await.invalid(), "/url");
    assert_eq!(app.as_operator(Method::GET, &path, &json!({})).await.is(200), changed);
    for _ in 0..49 {
        app.as_operator(Method::POST, "/v1/webhooks", &json!({"url": URL})).await.is(201);
    }
    assert_eq!(
        app.as_operator(Method::POST, "/v1/webhooks", &json!({"url": URL})).await.problem(409),
        "conflict"
    );
}
