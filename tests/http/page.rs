//! The chat page is there for everyone, under every address of its own, and is no part of the API.

use reqwest::Method;

use crate::app::TestApp;

#[tokio::test]
async fn every_address_of_the_page_answers_it_without_a_credential() {
    let app = TestApp::demo().await;
    for path in ["/", "/setup", "/sign-in", "/c/conv_01m7yavwt5enztys7ysrtcfz5s"] {
        let answer = app.request(Method::GET, path, "").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8", "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-cache", "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers()["referrer-policy"], "no-referrer", "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(answer.text().await.unwrap().contains("<title>Weir</title>"), "{path}");
    }
}

#[tokio::test]
async fn what_is_no_file_of_the_page_is_not_there() {
    let app = TestApp::demo().await;
    let secrets =
        ["/assets/../../../Cargo.toml", "/assets/%2e%2e/%2e%2e/Cargo.toml", "/assets/..%2f..%2fpackage.json"];
    for path in ["/assets/gone.js", "/assets/", "/index.html", "/c/a/b", "/elsewhere"].iter().chain(&secrets)
    {
        let answer = app.request(Method::GET, path, "").send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
    let answer = app.request(Method::POST, "/", "").send().await.unwrap();
    assert_eq!(answer.status(), 405);
}
