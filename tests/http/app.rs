//! The real router on a loopback port, on a real store in a temporary directory, with people of every kind.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use weir::auth::token::Issuer;
use weir::auth::{Directory, NewKey};
use weir::chat::turn::{Limits, Recovery};
use weir::clock::{Clock, Timestamp};
use weir::http::edge::{Addressed, Peer};
use weir::http::stall::CutOff;
use weir::http::{self, Options, State};
use weir::id::{KeyId, UserId, WorkspaceId};
use weir::import;
use weir::notify::{Notices, Patience};
use weir::provider::{self, Kind, Provider};
use weir::runtime::agent::{Agent, AgentOptions, Agents};
use weir::runtime::files::{self, Files};
use weir::runtime::import::{self as imports, Imports};
use weir::runtime::notify::{self, Targets, Webhooks};
use weir::runtime::search::Search;
use weir::runtime::{Bounds, Runtime, tools};
use weir::scope::{Permission, WorkspaceRole};
use weir::store::{self, Store};
use weir::tool::Toolbox;

pub const PATIENCE: Duration = Duration::from_secs(20);

/// The operator's token for `/metrics`.
pub const NUMBERS: &str = "numbers-for-the-operator-only";

pub struct TestApp {
    pub address: SocketAddr,
    pub directory: Arc<Directory>,
    pub people: People,
    pub state: State,
    runtime: Runtime,
    provider: Arc<dyn Provider>,
    bounds: Bounds,
    file_limits: files::Limits,
    options: Options,
    server: JoinHandle<()>,
    client: reqwest::Client,
    dir: TempDir,
}

/// Tokens of every kind of caller.
#[derive(Clone)]
pub struct People {
    pub owner: String,
    /// A member of the same workspace.
    pub member: String,
    pub viewer: String,
    pub admin: String,
    /// The owner of another workspace.
    pub stranger: String,
    /// A key of the owner's that carries another scope.
    pub narrow: String,
    /// A key of the owner's that carries every scope, `admin` too.
    pub operator: String,
    /// The same in the other workspace.
    pub foreign_operator: String,
    pub revoked: String,
    pub owner_key: KeyId,
}

impl TestApp {
    /// With the demo model, which takes 20 ms a word.
    pub async fn demo() -> Self {
        let options = provider::Options::new(Kind::Demo);
        Self::new(provider::connect(&options, &|_| None, Clock::System).unwrap()).await
    }

    pub async fn with_options(options: Options) -> Self {
        let demo = provider::Options::new(Kind::Demo);
        Self::with(provider::connect(&demo, &|_| None, Clock::System).unwrap(), options).await
    }

    pub async fn new(provider: Arc<dyn Provider>) -> Self {
        Self::with(provider, Self::options()).await
    }

    pub fn options() -> Options {
        let limits = http::Limits {
            body_time: Duration::from_millis(500),
            subscriptions_per_socket: 4,
            ..http::Limits::default()
        };
        Options { limits, metrics_token: Some(NUMBERS.to_owned().into()), ..Options::default() }
    }

    /// One that believes these issuers.
    pub async fn with_issuers(issuers: Vec<Issuer>) -> Self {
        let demo = provider::Options::new(Kind::Demo);
        let demo = provider::connect(&demo, &|_| None, Clock::System).unwrap();
        Self::whole(demo, Self::options(), issuers, Bounds::default(), Default::default()).await
    }

    pub async fn with_file_limits(limits: files::Limits) -> Self {
        let demo = provider::Options::new(Kind::Demo);
        Self::with_model_and_file_limits(provider::connect(&demo, &|_| None, Clock::System).unwrap(), limits)
            .await
    }

    pub async fn with_model_and_file_limits(provider: Arc<dyn Provider>, limits: files::Limits) -> Self {
        Self::whole(provider, Self::options(), Vec::new(), Bounds::default(), limits).await
    }

    pub async fn with_bounds(bounds: Bounds) -> Self {
        let demo = provider::Options::new(Kind::Demo);
        let demo = provider::connect(&demo, &|_| None, Clock::System).unwrap();
        Self::whole(demo, Self::options(), Vec::new(), bounds, Default::default()).await
    }

    pub async fn with(provider: Arc<dyn Provider>, options: Options) -> Self {
        Self::whole(provider, options, Vec::new(), Bounds::default(), Default::default()).await
    }

    async fn whole(
        provider: Arc<dyn Provider>,
        options: Options,
        issuers: Vec<Issuer>,
        bounds: Bounds,
        file_limits: files::Limits,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::open(&dir.path().join("control.db"), Clock::System).unwrap();
        let directory = Arc::new(directory.with_issuers(issuers));
        let people = People::in_it(&directory);
        let (runtime, state, address, server) =
            start(&dir, &directory, &provider, (bounds, file_limits), options.clone()).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            address,
            directory,
            people,
            state,
            runtime,
            provider,
            bounds,
            file_limits,
            options,
            server,
            client,
            dir,
        }
    }

    /// Cuts everything off in the middle of what it does, and starts anew on the same data.
    pub async fn restart(&mut self) {
        self.server.abort();
        self.runtime.store().close().await;
        let bounds = (self.bounds, self.file_limits);
        let options = self.options.clone();
        let started = start(&self.dir, &self.directory, &self.provider, bounds, options).await;
        (self.runtime, self.state, self.address, self.server) = started;
    }

    /// What was deleted goes, as it does every few seconds.
    pub async fn tidy(&self) {
        self.runtime.store().tidy(self.runtime.clock().now()).await.unwrap();
    }

    /// What nobody needs goes, as if it were so much later.
    pub async fn tidy_files(&self, later: Duration) {
        let files = self.runtime.files().unwrap();
        files.tidy(self.runtime.clock().now().plus(later)).await.unwrap();
        files.sweep().await.unwrap();
    }

    /// The contents of files that are on the disk, whole and under their names.
    pub fn contents(&self) -> Vec<String> {
        let whole = std::fs::read_dir(self.dir.path().join("files/whole")).unwrap();
        let names = whole.flat_map(|dir| std::fs::read_dir(dir.unwrap().path()).unwrap());
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// A content that no row knows.
    pub fn plant_content(&self, hash: &str) {
        let dir = self.dir.path().join("files/whole").join(&hash[..2]);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(hash), "of a crash").unwrap();
    }

    /// Waits until so many files are on their way in.
    pub async fn until_arriving(&self, count: usize) {
        let dir = self.dir.path().join("files/arriving");
        let wait = async {
            while std::fs::read_dir(&dir).unwrap().count() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("it comes to that");
    }

    /// A file of the owner's.
    pub async fn upload(&self, name: &str, content: Vec<u8>) -> Value {
        let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let request = self.request(Method::POST, &format!("/v1/files?name={name}"), &self.people.owner);
        Answer::of(request.body(content)).await.is(201)
    }

    pub async fn close(&self) {
        self.runtime.store().close().await;
    }

    /// A number that the database holds. The store must be closed.
    pub fn rows(&self, sql: &str) -> i64 {
        let conn = rusqlite::Connection::open(self.dir.path().join("weir.db")).unwrap();
        conn.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let request = self.client.request(method, self.url(path)).timeout(PATIENCE);
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    /// A browser in which that user has just chosen this name and a password.
    pub async fn sign_up(&self, user: UserId, name: &str) -> Browser {
        let code = self.directory.create_setup_code(user).unwrap();
        let body = json!({"code": code.expose(), "name": name, "password": PASSWORD});
        let answer = Answer::of(self.request(Method::POST, "/v1/auth/setup", "").json(&body)).await;
        answer.is(201);
        Browser { cookie: answer.cookie() }
    }

    /// What a page of ours asks with that browser's cookie.
    pub fn browse(&self, browser: &Browser, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path, "")
            .header("Cookie", &browser.cookie)
            .header("Sec-Fetch-Site", "same-origin")
    }

    /// As the owner.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path, &self.people.owner)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path, &self.people.owner).json(body)).await
    }

    /// With a key that carries `admin`.
    pub async fn as_operator(&self, method: axum::http::Method, path: &str, body: &Value) -> Answer {
        let method = Method::from_bytes(method.as_str().as_bytes()).unwrap();
        Answer::of(self.request(method, path, &self.people.operator).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::PUT, path, &self.people.owner).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path, &self.people.owner).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path, &self.people.owner)).await
    }

    /// The path of a new conversation of the owner's.
    pub async fn conversation(&self) -> String {
        let created = self.post("/v1/conversations", &json!({})).await.is(201);
        format!("/v1/conversations/{}", created["conversation"]["id"].as_str().unwrap())
    }

    /// Sends as the owner and waits for the end of the turn.
    pub async fn talk(&self, conversation: &str, text: &str) -> Value {
        self.say(conversation, &json!({"text": text})).await
    }

    /// Begins anew, beside what was said first.
    pub async fn talk_anew(&self, conversation: &str, text: &str) -> Value {
        self.say(conversation, &json!({"text": text, "parent_id": null})).await
    }

    pub async fn say(&self, conversation: &str, message: &Value) -> Value {
        let request = self.request(Method::POST, &format!("{conversation}/messages"), &self.people.owner);
        Answer::of(request.header("Prefer", "wait=15").json(message)).await.is(200)
    }

    /// What a GET of a stream says until `enough`, or to its end.
    pub async fn stream(&self, path: &str, enough: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        let response = self.request(Method::GET, path, &self.people.owner).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        read_events(response, enough).await
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn start(
    dir: &TempDir,
    directory: &Arc<Directory>,
    provider: &Arc<dyn Provider>,
    (bounds, file_limits): (Bounds, files::Limits),
    options: Options,
) -> (Runtime, State, SocketAddr, JoinHandle<()>) {
    let now = Timestamp::from_millis(1_795_000_000_000);
    let (store, startup) = Store::open(store::Options::new(dir.path().join("weir.db")), now).unwrap();
    let agent = AgentOptions {
        id: "default".to_owned(),
        name: "Test".to_owned(),
        description: None,
        provider: "test".to_owned(),
        model: "auto".to_owned(),
        prompt: "You are a test.".to_owned(),
        recovery: Recovery::Continue,
        prefill: false,
        limits: Limits { max_steps: 20, max_tokens: None, max_wall_ms: 600_000 },
        context_tokens: None,
        tools: Vec::new(),
        policy: weir::chat::policy::Policy::default(),
        suggestions: vec!["count to 3".to_owned()],
        titles: false,
        title_model: None,
        compaction: true,
        compaction_model: None,
    };
    let other = AgentOptions { id: "other".to_owned(), ..agent.clone() };
    let titled = AgentOptions { id: "titled".to_owned(), titles: true, ..agent.clone() };
    let small = AgentOptions { id: "small".to_owned(), context_tokens: Some(1000), ..agent.clone() };
    let tooled =
        AgentOptions { id: "tooled".to_owned(), tools: vec!["calculator".to_owned()], ..agent.clone() };
    let filing = AgentOptions {
        id: "filing".to_owned(),
        tools: vec!["files.*".to_owned()],
        policy: serde_json::from_value(json!({"files.*": "allow"})).unwrap(),
        ..agent.clone()
    };
    let agents = [agent, other, small, titled, tooled, filing]
        .map(|options| Agent::new(options, provider.clone()).unwrap());
    let kept = Files::open(store.clone(), &dir.path().join("files"), Clock::System, file_limits).unwrap();
    let mut toolbox = Toolbox::new(&BTreeMap::new(), &|_| None, Clock::System).unwrap();
    tools::add_files(&mut toolbox, &store, &kept).unwrap();
    let search = Search::new(store.clone(), Some(kept.clone()), Clock::System, &dir.path().join("search"));
    let runtime = Runtime::with_tools(store, Agents::new(agents), Clock::System, bounds, toolbox)
        .with_files(kept)
        .with_search(search.clone());
    runtime.recover(startup.unfinished).await;
    let providers = BTreeMap::from([("test".to_owned(), provider.clone())]);
    let state = State::new(runtime.clone(), directory.clone(), providers, numbers(), options);
    let imports = imports::Options {
        dir: dir.path().join("imports"),
        agents: vec!["default".to_owned(), "other".to_owned()],
        file_bytes: 64 << 20,
        bounds: import::Bounds::default(),
    };
    let imports = Imports::open(runtime.clone(), imports).unwrap();
    let notices = Notices::open(&dir.path().join("notify.db")).unwrap();
    let telling = notify::Options {
        targets: Targets { vouched_for: vec!["hooks.internal".to_owned()] },
        patience: Patience { retry: Vec::new(), disable_after: Duration::from_secs(3600) },
        public_url: None,
    };
    let webhooks = Webhooks::new(runtime.clone(), notices, telling);
    let state = state.with_imports(imports.clone()).with_webhooks(webhooks);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = serve(listener, http::router(state.clone()));
    let server = tokio::spawn(async move { tokio::join!(served, imports.run(), search.run()).0 });
    (runtime, state, address, server)
}

async fn serve(listener: TcpListener, router: axum::Router) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (socket, peer) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        let socket = TokioIo::new(CutOff::new(socket, Duration::from_secs(2)));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(5))
            .max_buf_size(8 * 1024)
            .serve_connection(
                socket,
                TowerToHyperService::new(Addressed { inner: router.clone(), peer: Peer(peer) }),
            )
            .with_upgrades();
        connections.spawn(connection);
    }
}

fn numbers() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap()).clone()
}

impl People {
    fn in_it(directory: &Directory) -> Self {
        let here = directory.default_workspace();
        let user = |name: &str, workspace: WorkspaceId, role| {
            directory.create_user(name.to_owned(), workspace, role).unwrap().id
        };
        let key = |workspace_id, user_id, permissions: &[Permission]| {
            let (permissions, name) = (permissions.to_vec(), "test".to_owned());
            let key = NewKey { workspace_id, user_id, name, permissions, expires_at: None };
            let (key, text) = directory.create_key(key).unwrap();
            (key.id, text.expose().to_owned())
        };
        let away = directory.create_workspace("elsewhere".to_owned()).unwrap().id;
        let stranger = user("Stranger", away, WorkspaceRole::Owner);
        let owner = directory.owner();
        let (owner_key, owner_token) = key(here, owner, &[]);
        let (revoked_key, revoked) = key(here, owner, &[]);
        directory.revoke_key(revoked_key).unwrap();
        Self {
            owner: owner_token,
            member: key(here, user("Member", here, WorkspaceRole::Member), &[]).1,
            viewer: key(here, user("Viewer", here, WorkspaceRole::Viewer), &[]).1,
            admin: key(here, user("Admin", here, WorkspaceRole::Admin), &[]).1,
            stranger: key(away, stranger, &[]).1,
            narrow: key(here, owner, &[Permission::TokensMint]).1,
            operator: key(here, owner, &Permission::ALL).1,
            foreign_operator: key(away, stranger, &Permission::ALL).1,
            revoked,
            owner_key,
        }
    }
}

/// What every person of these tests signs in with.
pub const PASSWORD: &str = "correct horse battery";

pub struct Browser {
    /// `name=value`
    pub cookie: String,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    /// The body, if the status is as expected.
    #[track_caller]
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { serde_json::from_str(&self.text).unwrap() }
    }

    /// The slug, if the answer is a well-formed problem of that status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        let body = self.is(status);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        assert_eq!(body["status"], status, "{body}");
        assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
        body["type"].as_str().unwrap().to_owned()
    }

    /// The pointer of an invalid field.
    #[track_caller]
    pub fn invalid(&self) -> String {
        assert_eq!(self.problem(422), "invalid-request");
        self.is(422)["errors"][0]["pointer"].as_str().unwrap().to_owned()
    }

    /// The cookie that it sets.
    pub fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// One event of an SSE stream; comments and `retry` have no type.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: Option<String>,
    pub kind: String,
    pub data: Value,
}

pub async fn read_events(mut response: reqwest::Response, enough: impl Fn(&[Event]) -> bool) -> Vec<Event> {
    let (mut text, mut events) = (Vec::new(), Vec::new());
    while !enough(&events) {
        let chunk =
            tokio::time::timeout(PATIENCE, response.chunk()).await.expect("more comes in time").unwrap();
        let Some(chunk) = chunk else { break };
        text.extend_from_slice(&chunk);
        while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = text.drain(..end + 2).collect();
            events.extend(event_of(std::str::from_utf8(&block).unwrap()));
        }
    }
    events
}

fn event_of(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let kind = field("event: ")?;
    let data = serde_json::from_str(&field("data: ").expect("an event has data")).unwrap();
    Some(Event { id: field("id: "), kind, data })
}

/// The text of a message as its deltas spell it.
pub fn text_of<'a>(events: impl IntoIterator<Item = &'a Value>, message_id: &str) -> String {
    let deltas =
        events.into_iter().filter(|event| event["type"] == "part.delta" && event["message_id"] == message_id);
    deltas.map(|event| event["text"].as_str().unwrap()).collect()
}

/// Each event begins where the one before it ended.
#[track_caller]
pub fn assert_tiles<'a>(events: impl IntoIterator<Item = &'a Value>) {
    let events: Vec<&Value> = events.into_iter().filter(|event| event["seq"].is_u64()).collect();
    for pair in events.windows(2) {
        assert_eq!(pair[0]["seq"], pair[1]["prev"], "{} then {}", pair[0], pair[1]);
    }
}
