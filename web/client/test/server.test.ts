import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import WebSocket from "ws";

import { Api, ConversationFold, LiveConversation, Socket, textOf, type Connection } from "../src/index.js";
import { ROOT_KEY, until, Weir } from "./weir.js";

let weir: Weir;
before(async () => {
  weir = await Weir.start();
});
after(() => weir.end());

const backoff = { least: 20, most: 200 };

function api(): Api {
  return new Api({ baseUrl: weir.url, getToken: () => ROOT_KEY, backoff });
}

/** Tokens that live for two seconds only, and how many of them were made. */
function shortLived(): { api: Api; minted: () => number } {
  let minted = 0;
  const getToken = async () => {
    minted += 1;
    const body = { ttl: 2 };
    return (await api().json<{ token: string }>("/v1/auth/tokens", { method: "POST", body })).token;
  };
  return { api: new Api({ baseUrl: weir.url, getToken, backoff }), minted: () => minted };
}

/** What is shown is what is stored. */
async function check(fold: ConversationFold, id: string): Promise<void> {
  const page = await api().messages(id, { limit: 200 });
  assert.equal(fold.head, page.head);
  const shown = fold.path().map(({ id, status, parts }) => ({ id, status, text: parts.map(textOf).join("") }));
  const stored = page.items.map(({ id, status, parts }) => ({ id, status, text: (parts ?? []).map(textOf).join("") }));
  assert.deepEqual(shown, stored.reverse());
}

function answered(fold: ConversationFold): number {
  return fold.path().reduce((bytes, { role, parts }) => bytes + (role === "assistant" ? parts.map(textOf).join("").length : 0), 0);
}

test("a page goes on over a kill of the server and shows what is stored", async () => {
  const { conversation } = await api().create({ title: "SSE" });
  const stop = new AbortController();
  const states: Connection[] = [];
  const listener = { changed: () => undefined, connection: (state: Connection) => states.push(state) };
  const { live, ended } = await LiveConversation.open(api(), conversation.id, listener, { signal: stop.signal });
  await api().send(conversation.id, "count to 60");
  await until("the middle of the answer", () => answered(live.fold) > 80);
  await weir.kill9();
  await until("the page to notice", () => states.includes("offline"));
  const shown = live.fold.path().map(({ parts }) => parts.map(textOf).join(""));
  await weir.restart();
  await until("the end of the turn", () => !live.fold.busy && live.fold.path().length > 2);
  const now = live.fold.path().map(({ parts }) => parts.map(textOf).join(""));
  shown.forEach((text, at) => assert.ok(now[at]?.startsWith(text), "nothing that was shown is gone"));
  await check(live.fold, conversation.id);
  // A second tab comes in afterwards and sees the same.
  const tab = await LiveConversation.open(api(), conversation.id, { changed: () => undefined }, { signal: stop.signal });
  await check(tab.live.fold, conversation.id);
  stop.abort();
  await Promise.all([ended, tab.ended]);
});

test("many conversations go on over one socket and a kill of the server", async () => {
  const stop = new AbortController();
  const socket = new Socket(api(), { WebSocket: WebSocket as unknown as typeof globalThis.WebSocket, signal: stop.signal });
  const running = socket.run();
  const folds = new Map<string, ConversationFold>();
  let caughtUp = 0;
  for (let n = 0; n < 3; n += 1) {
    const { conversation } = await api().create({ title: `Socket ${n}`, message: { text: `count to ${40 + n}` } });
    const fold = ConversationFold.empty();
    folds.set(conversation.id, fold);
    socket.subscribe(conversation.id, {
      entry: (entry) => void fold.apply(entry),
      resync: () => assert.fail("there is one history"),
      connection: (state) => (caughtUp += state === "live" ? 1 : 0),
    });
  }
  const all = (how: (fold: ConversationFold) => boolean) => [...folds.values()].every(how);
  await until("all to stream", () => all((fold) => answered(fold) > 30));
  await weir.kill9();
  await weir.restart();
  await until("all to end", () => all((fold) => fold.head !== null && !fold.busy && fold.path().length > 2));
  assert.ok(caughtUp >= 6, `${caughtUp}`);
  for (const [id, fold] of folds) await check(fold, id);
  stop.abort();
  await running;
});

test("a token that runs out in mid-answer is renewed, over SSE and over the socket", async () => {
  const stop = new AbortController();
  const { conversation } = await api().create({ title: "Tokens" });
  const [bySse, bySocket] = [shortLived(), shortLived()];
  const { live, ended } = await LiveConversation.open(bySse.api, conversation.id, { changed: () => undefined }, { signal: stop.signal });
  const socket = new Socket(bySocket.api, { WebSocket: WebSocket as unknown as typeof globalThis.WebSocket, signal: stop.signal });
  const running = socket.run();
  const fold = ConversationFold.empty();
  socket.subscribe(conversation.id, { entry: (entry) => void fold.apply(entry), resync: () => assert.fail() });
  await api().send(conversation.id, "count to 400");
  await until("the end", () => [live.fold, fold].every((fold) => fold.head !== null && !fold.busy && answered(fold) > 400));
  await check(live.fold, conversation.id);
  await check(fold, conversation.id);
  assert.ok(bySse.minted() >= 2 && bySocket.minted() >= 2, `${bySse.minted()} and ${bySocket.minted()} tokens`);
  stop.abort();
  await Promise.all([ended, running]);
});

test("a page that comes in the middle of things knows what runs and what waits, and is told by the feed", async () => {
  const stop = new AbortController();
  const socket = new Socket(api(), { WebSocket: WebSocket as unknown as typeof globalThis.WebSocket, signal: stop.signal });
  const running = socket.run();
  const { feed_cursor } = await api().conversations();
  const told: string[] = [];
  const { conversation } = await api().create({ title: "Late", message: { text: "count to 150" } });
  await api().send(conversation.id, "count to 2");
  const withdrawn = await api().send(conversation.id, "count to 3");
  const edited = await api().send(conversation.id, "count to 4");
  socket.subscribeFeed(
    { entry: ({ type, change, conversation_id }) => void (conversation_id === conversation.id && told.push(change ?? type)), resync: () => assert.fail() },
    feed_cursor,
  );
  const { live, ended } = await LiveConversation.open(api(), conversation.id, { changed: () => undefined }, { signal: stop.signal, socket });
  const waiting = () => live.fold.queue.map(({ parts }) => parts.map(textOf).join(""));
  assert.deepEqual(waiting(), ["count to 2", "count to 3", "count to 4"]);
  assert.deepEqual([...live.fold.turns.values()].map(({ state }) => state).sort(), ["queued", "queued", "queued", "running"]);
  await api().withdraw(conversation.id, withdrawn.turn.id);
  await api().editQueued(conversation.id, edited.turn.id, "count to 5");
  await until("the queue to change", () => waiting().join() === "count to 2,count to 5");
  await until("the end", () => !live.fold.busy);
  await check(live.fold, conversation.id);
  await until("the feed", () => told.filter((what) => what === "turn.finished").length >= 3);
  assert.deepEqual(told.slice(0, 2), ["created", "moved_up"]);
  stop.abort();
  await Promise.all([ended, running]);
});

test("a page follows to a branch that it never loaded", async () => {
  const stop = new AbortController();
  const { conversation } = await api().create({ title: "Branches" });
  const say = async (text: string, parent?: string) => {
    const sent = await api().send(conversation.id, { text, ...(parent ? { parent_id: parent } : {}) });
    await until("the answer", async () => (await api().turn(sent.turn.id)).state === "completed");
    return (await api().messages(conversation.id)).head ?? "";
  };
  const root = await say("count to 1");
  const first = await say("count to 2");
  await say("count to 3", root);
  const { live, ended } = await LiveConversation.open(api(), conversation.id, { changed: () => undefined }, { signal: stop.signal });
  assert.equal(live.fold.messages.has(first), false);
  await api().call(`/v1/conversations/${conversation.id}/head`, { method: "PUT", body: { message_id: first } });
  await until("the other branch", () => live.fold.path().at(-1)?.id === first);
  await check(live.fold, conversation.id);
  stop.abort();
  await ended;
});

test("another branch is looked at while the head stays, and is followed as it grows", async () => {
  const stop = new AbortController();
  const { conversation } = await api().create({ title: "Beside" });
  const say = async (text: string, parent?: string) => {
    const sent = await api().send(conversation.id, { text, ...(parent ? { parent_id: parent } : {}) });
    await until("the answer", async () => (await api().turn(sent.turn.id)).state === "completed");
    return (await api().messages(conversation.id)).head ?? "";
  };
  const root = await say("count to 1");
  const first = await say("count to 2");
  const head = await say("count to 3", root);
  const { live, ended } = await LiveConversation.open(api(), conversation.id, { changed: () => undefined }, { signal: stop.signal });
  const texts = () => live.beside?.path().map(({ parts }) => parts.map(textOf).join(""));
  await live.openBeside(first, root);
  assert.deepEqual(texts(), ["count to 1", "1", "count to 2", "1, 2"]);
  assert.equal((await api().messages(conversation.id)).head, head);

  const { turn } = await api().send(conversation.id, { text: "count to 40", parent_id: first });
  await until("the branch to grow", () => (texts()?.at(-1)?.length ?? 0) > 20 && texts()?.length === 6);
  // Read in the middle of an answer, it holds each byte once.
  await live.openBeside(live.beside?.head ?? "", first);
  await until("the end", async () => (await api().turn(turn.id)).state === "completed");
  const numbers = Array.from({ length: 40 }, (_, at) => at + 1).join(", ");
  await until("the whole answer", () => texts()?.at(-1) === numbers);

  await api().setHead(conversation.id, head);
  await until("the head to go back", () => live.fold.head === head);
  assert.equal(texts()?.at(-1), numbers);
  live.closeBeside();
  assert.equal(live.beside, undefined);
  stop.abort();
  await ended;
});

test("what was said is found as it is said, narrowed, page by page, and may be given up", async () => {
  const { conversation } = await api().create({ title: "Herbarium", message: { text: "what is a 🌵 pimpernel, and a pimpernel's colour?" } });
  const found = async (query: Parameters<Api["search"]>[0]) => (await api().search(query)).items;
  await until("it to be found", async () => (await found({ q: "pimpernel", role: "user" })).length === 1);
  const [item] = await found({ q: "PIMPERNEL", role: "user" });
  assert.ok(item);
  assert.equal(item.conversation.id, conversation.id);
  assert.equal(item.on_current_path, true);
  const { text, highlights } = item.snippet;
  assert.deepEqual(highlights.map(([start, end]) => text.slice(start, end).replace(/'s$/, "")), ["pimpernel", "pimpernel"]);
  assert.deepEqual(await found({ q: "pimpernel", kind: "title" }), []);
  assert.deepEqual((await found({ q: "herbarium", kind: "title" })).map(({ message_id }) => message_id ?? null), [null]);
  assert.deepEqual(await found({ q: "pimpernel", until: "2001-01-01T00:00:00Z" }), []);

  for (const text of ["a first saxifrage", "a second saxifrage"]) await api().send(conversation.id, text);
  await until("both to be found", async () => (await found({ q: "saxifrage", role: "user" })).length === 2);
  const query = { q: "saxifrage", role: "user", sort: "recent", limit: 1 } as const;
  const first = await api().search(query);
  assert.ok(first.next);
  const second = await api().search({ ...query, page: first.next });
  assert.deepEqual([...first.items, ...second.items].map(({ snippet }) => snippet.text), ["a second saxifrage", "a first saxifrage"]);

  const stop = new AbortController();
  stop.abort();
  await assert.rejects(api().search({ q: "pimpernel" }, stop.signal), { name: "AbortError" });
});
