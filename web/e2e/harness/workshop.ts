/**
 * A model and the tools that it calls. What a person writes is a JSON list of calls, or anything else: then the model
 * says that it was told so. The tools count what they ran, and may be told to wait.
 */

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

export interface Ran {
  callId: string;
  args: Record<string, unknown>;
}

export interface ToolSetting {
  name: string;
  description?: string;
  /** TOML of its schema. */
  schema?: string;
  idempotent?: boolean;
  /** As the policy of the agent says it, in TOML. Absent: asked about. */
  policy?: string;
}

interface Message {
  role: string;
  content: unknown;
}

export class Workshop {
  readonly ran: Ran[] = [];
  /** What each tool answers. */
  answer: (args: Record<string, unknown>) => string = (args) => `ran with ${JSON.stringify(args)}`;
  private isHeld = false;
  private waiting: (() => void)[] = [];

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(): Promise<Workshop> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (typeof address !== "object" || !address) throw new Error("no address");
    const workshop = new Workshop(server, `http://127.0.0.1:${address.port}`);
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => void workshop.hear(request.url ?? "", body, response));
    });
    return workshop;
  }

  /** `weir.toml` of a server whose only model is this one. */
  config(tools: readonly ToolSetting[]): string {
    const names = tools.map(({ name }) => JSON.stringify(name)).join(", ");
    const policy = tools.flatMap(({ name, policy }) => (policy === undefined ? [] : [`${JSON.stringify(name)} = ${policy}`]));
    const told = tools.map(
      ({ name, description = `${name} an order`, schema = '{ type = "object" }', idempotent = false }) => `
[tools.${name}]
url = "${this.url}/run"
description = ${JSON.stringify(description)}
schema = ${schema}
idempotent = ${idempotent}
allow_private_address = true
`,
    );
    return `
[providers.mock]
kind = "openai-chat"
base_url = "${this.url}/v1"
api_key = "none"
[agents.default]
provider = "mock"
model = "mock"
titles = false
context_tokens = 1000000
tools = ["ask_user", ${names}]
[agents.default.policy]
${policy.join("\n")}
${told.join("")}`;
  }

  /** Tools answer nothing until they are released. */
  hold(): void {
    this.isHeld = true;
  }

  release(): void {
    this.isHeld = false;
    for (const go of this.waiting.splice(0)) go();
  }

  async end(): Promise<void> {
    this.release();
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }

  private async hear(url: string, body: string, response: ServerResponse): Promise<void> {
    if (url.endsWith("/models")) {
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify({ object: "list", data: [{ id: "mock", object: "model" }] }));
    } else if (url.endsWith("/run")) {
      const { call_id, args } = JSON.parse(body) as { call_id: string; args: Record<string, unknown> };
      this.ran.push({ callId: call_id, args });
      if (this.isHeld) await new Promise<void>((go) => this.waiting.push(go));
      response.end(this.answer(args));
    } else {
      say(response, (JSON.parse(body) as { messages: Message[] }).messages);
    }
  }
}

/** Calls what it was asked to call, and then says what it was told. */
function say(response: ServerResponse, messages: readonly Message[]): void {
  response.setHeader("Content-Type", "text/event-stream");
  const chunk = (delta: object, finish: string | null) => {
    const choices = [{ index: 0, delta, finish_reason: finish }];
    response.write(`data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 0, model: "mock", choices })}\n\n`);
  };
  const last = messages.at(-1);
  const calls = last?.role === "user" ? callsIn(last.content) : undefined;
  if (calls) {
    calls.forEach(({ tool, args }, index) => {
      const text = typeof args === "string" ? args : JSON.stringify(args);
      chunk({ role: "assistant", tool_calls: [{ index, id: `c${index}`, type: "function", function: { name: tool, arguments: text } }] }, null);
    });
    chunk({}, "tool_calls");
  } else {
    const told = messages.slice(messages.findLastIndex(({ role }) => role === "assistant") + 1);
    chunk({ role: "assistant", content: `told: ${told.map(({ content }) => String(content)).join(" | ").slice(0, 300)}` }, null);
    chunk({}, "stop");
  }
  response.end("data: [DONE]\n\n");
}

/** A call whose arguments are a text is made with exactly that text. */
function callsIn(content: unknown): { tool: string; args: unknown }[] | undefined {
  try {
    const calls: unknown = JSON.parse(String(content));
    return Array.isArray(calls) ? (calls as { tool: string; args: unknown }[]) : undefined;
  } catch {
    return undefined;
  }
}
