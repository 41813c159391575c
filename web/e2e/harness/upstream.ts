/** A model provider that says what a test wants: it speaks as OpenAI's chat completions do, a few characters at a time. */

import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";

export class Upstream {
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  /** `answer` gets what the person wrote last, and says the paragraphs to stream. */
  static async start(answer: (asked: string) => readonly string[]): Promise<Upstream> {
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        if (request.url?.endsWith("/models")) {
          response.setHeader("Content-Type", "application/json");
          response.end(JSON.stringify({ object: "list", data: [{ id: "mock", object: "model" }] }));
          return;
        }
        const { messages } = JSON.parse(body) as { messages: { role: string; content: unknown }[] };
        const asked = messages.filter(({ role }) => role === "user").at(-1)?.content;
        const paragraphs = answer(typeof asked === "string" ? asked : JSON.stringify(asked));
        void stream(response, `${paragraphs.join("\n\n")}\n\n`);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (typeof address !== "object" || !address) throw new Error("no address");
    return new Upstream(server, `http://127.0.0.1:${address.port}`);
  }

  async end(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}

const PIECE = 9;

async function stream(response: ServerResponse, text: string): Promise<void> {
  response.setHeader("Content-Type", "text/event-stream");
  const characters = [...text];
  const say = (delta: object, finish: string | null) => {
    const choices = [{ index: 0, delta, finish_reason: finish }];
    response.write(`data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 0, model: "mock", choices })}\n\n`);
  };
  for (let at = 0; at < characters.length; at += PIECE) {
    say({ content: characters.slice(at, at + PIECE).join("") }, null);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  say({ content: "end of the share" }, null);
  say({}, "stop");
  response.end("data: [DONE]\n\n");
}
