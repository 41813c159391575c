/** Server-sent events out of a `fetch` body, cut anywhere. */

export interface SseEvent {
  id?: string;
  event: string;
  data: string;
}

/** Takes text as it arrives and gives the events that it completes. Comments and `retry` give none. */
export class SseParser {
  private rest = "";

  push(text: string): SseEvent[] {
    this.rest += text;
    const events: SseEvent[] = [];
    for (;;) {
      const end = /\r?\n\r?\n/.exec(this.rest);
      if (!end) return events;
      const block = this.rest.slice(0, end.index);
      this.rest = this.rest.slice(end.index + end[0].length);
      const event = eventOf(block);
      if (event) events.push(event);
    }
  }
}

function eventOf(block: string): SseEvent | undefined {
  let id: string | undefined;
  let event = "message";
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const field = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, "");
    if (field === "id") id = value;
    else if (field === "event") event = value;
    else if (field === "data") data.push(value);
  }
  if (data.length === 0) return undefined;
  return { ...(id === undefined ? {} : { id }), event, data: data.join("\n") };
}

/**
 * The events of an answer, until it ends or nothing at all came for a while. The server pings every 15 s, so a
 * connection that is silent for longer is dead, whatever the operating system thinks.
 */
export async function* readSse(body: ReadableStream<Uint8Array>, silentAfter: number): AsyncGenerator<SseEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new SseParser();
  try {
    for (;;) {
      const chunk = await within(reader.read(), silentAfter);
      if (chunk.done) return;
      yield* parser.push(decoder.decode(chunk.value, { stream: true }));
    }
  } finally {
    // Whoever stops listening closes the connection.
    reader.cancel().catch(() => undefined);
  }
}

function within<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the connection is silent")), milliseconds);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
