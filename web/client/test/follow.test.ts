import assert from "node:assert/strict";
import { test } from "node:test";

import { Api, type ClientOptions } from "../src/api.js";
import { delay } from "../src/backoff.js";
import { follow, type Connection } from "../src/follow.js";
import { WeirError } from "../src/problem.js";
import type { LogEntry } from "../src/types.js";

const ID = "conv_1";

/** Answers each request in turn; remembers what was asked. */
function server(...answers: ((url: string, init: RequestInit) => Response | Error)[]) {
  const asked: { url: string; headers: Headers }[] = [];
  const fetch = (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const url = String(input);
    asked.push({ url, headers: new Headers(init.headers) });
    const answer = answers[Math.min(asked.length, answers.length) - 1];
    assert.ok(answer);
    const given = answer(url, init);
    return given instanceof Error ? Promise.reject(given) : Promise.resolve(given);
  };
  const options: ClientOptions = { baseUrl: "http://weir", fetch, backoff: { least: 1, most: 2 }, random: () => 0 };
  return { asked, options };
}

function delta(prev: number, text: string): string {
  const seq = prev + text.length;
  const entry = { type: "part.delta", prev, seq, conversation_id: ID, message_id: "m", index: 0, text };
  return `id: 5.${seq}\nevent: part.delta\ndata: ${JSON.stringify(entry)}\n\n`;
}

function stream(text: string, thenBreak = false): () => Response {
  return () =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(text));
          if (thenBreak) controller.error(new Error("cut"));
          else controller.close();
        },
      }),
      { headers: { "content-type": "text/event-stream" } },
    );
}

function problem(status: number, type: string): Response {
  return Response.json({ type, title: type, status, detail: type }, { status });
}

async function heard(options: ClientOptions, until: number) {
  const stop = new AbortController();
  const entries: LogEntry[] = [];
  const states: Connection[] = [];
  const resyncs: string[] = [];
  const done = follow(
    new Api(options),
    ID,
    {
      entry: (entry) => {
        entries.push(entry);
        if (entry.seq >= until) stop.abort();
      },
      resync: (reason) => {
        resyncs.push(reason);
        return Promise.resolve("6.10");
      },
      connection: (state) => states.push(state),
    },
    { signal: stop.signal },
  );
  await done;
  return { text: entries.map((entry) => ("text" in entry ? entry.text : "")).join(""), states, resyncs };
}

test("a cut connection goes on at its cursor, and what comes twice is dropped", async () => {
  const caughtUp = 'event: caught_up\ndata: {"cursor":"5.3"}\n\n';
  const { asked, options } = server(
    stream(delta(0, "abc") + caughtUp + delta(3, "def").slice(0, 30)),
    () => new TypeError("network"),
    () => problem(503, "unavailable"),
    stream(delta(0, "abc") + delta(3, "def") + delta(6, "ghi")),
  );
  const { text, states } = await heard(options, 9);
  assert.equal(text, "abcdefghi");
  const path = `http://weir/v1/conversations/${ID}/events`;
  assert.deepEqual(asked.map(({ url }) => url), [path, ...Array(3).fill(`${path}?after=5.3`)]);
  assert.deepEqual(states.slice(0, 4), ["connecting", "replaying", "live", "offline"]);
});

test("another history is loaded anew", async () => {
  const { asked, options } = server(
    stream(delta(0, "abc") + 'event: resync\ndata: {"reason":"restored","cursor":"6.10"}\n\n'),
    stream(delta(10, "xyz").replace("id: 5.", "id: 6.")),
  );
  const { text, resyncs } = await heard(options, 13);
  assert.equal(text, "abcxyz");
  assert.deepEqual(resyncs, ["restored"]);
  assert.match(asked[1]?.url ?? "", /after=6\.10$/);
});

test("an expired token is renewed, and what no retry mends is thrown", async () => {
  const renewals: boolean[] = [];
  const { asked, options } = server(() => problem(401, "unauthorized"), stream(delta(0, "abc")));
  const getToken = (renew: boolean) => {
    renewals.push(renew);
    return `token-${renewals.length}`;
  };
  assert.equal((await heard({ ...options, getToken }, 3)).text, "abc");
  assert.deepEqual(renewals, [false, true]);
  assert.deepEqual(asked.map(({ headers }) => headers.get("authorization")), ["Bearer token-1", "Bearer token-2"]);

  const gone = server(() => problem(404, "not-found"));
  await assert.rejects(heard(gone.options, 1), (error) => error instanceof WeirError && error.status === 404);
});

test("a send that may have been heard is repeated under its key", async () => {
  const keys: (string | null)[] = [];
  const answer = (result: Response | Error) => (_: string, init: RequestInit) => {
    keys.push(new Headers(init.headers).get("idempotency-key"));
    return result;
  };
  const sent = { message_id: "msg_1", turn: { id: "turn_1" }, cursor: "5.9" };
  const { options } = server(
    answer(new TypeError("network")),
    answer(problem(503, "storage-sealed")),
    answer(Response.json(sent, { status: 202 })),
  );
  assert.deepEqual(await new Api(options).send(ID, "hello"), sent);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);

  const refused = server(() => problem(409, "turn-waiting"));
  await assert.rejects(new Api(refused.options).send(ID, "hello"), (error) => error instanceof WeirError);
  assert.equal(refused.asked.length, 1);
});

test("waiting doubles up to its most, and is spread", () => {
  const backoff = { least: 100, most: 1000 };
  assert.deepEqual([0, 1, 2, 3, 9].map((retry) => delay(backoff, retry, 1)), [100, 200, 400, 800, 1000]);
  assert.deepEqual([0, 9].map((retry) => delay(backoff, retry, 0)), [50, 50]);
});
