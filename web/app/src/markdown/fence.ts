/** Code that has begun and not ended: its lines need no parser. */

import type { Code } from "mdast";

import { parse } from "./parse.ts";

const OPENING = /^(`{3,})[^`\r\n]*(?:\r\n|\r|\n)|^(~{3,})[^\r\n]*(?:\r\n|\r|\n)/;

export class OpenFence {
  private readonly closing: RegExp;
  private readonly partial: RegExp;
  private readonly opened: Code | undefined;
  private looked: number;

  constructor(
    private readonly opening: string,
    marker: string,
    start: number,
  ) {
    const [character] = marker;
    this.closing = new RegExp(`^ {0,3}${character}{${marker.length},}[ \\t]*$`);
    this.partial = new RegExp(`(?:\\r\\n|\\r|\\n|^) {0,3}${character}*$`);
    this.opened = parse(opening).nodes.find((node) => node.type === "code");
    this.looked = start + opening.length;
  }

  /** The end of the line that closes it, among the complete lines. */
  closedAt(text: string, end: number): number | undefined {
    while (this.looked < end) {
      const next = lineEnd(text, this.looked);
      const line = text.slice(this.looked, next).replace(/[\r\n]+$/, "");
      this.looked = next;
      if (this.closing.test(line)) return next;
    }
    return undefined;
  }

  /** What there is of it. A last line that may become the closing one is left out. */
  node(text: string): Code {
    const value = text.slice(this.opening.length).replace(this.partial, "");
    return { type: "code", lang: this.opened?.lang ?? null, meta: this.opened?.meta ?? null, value };
  }
}

export function openFence(text: string, start: number): OpenFence | undefined {
  const head = text.slice(start, start + 1000);
  const [opening, ticks, tildes] = OPENING.exec(head) ?? [];
  const marker = ticks ?? tildes;
  return opening === undefined || marker === undefined ? undefined : new OpenFence(opening, marker, start);
}

function lineEnd(text: string, from: number): number {
  const found = /\r\n|\r|\n/g;
  found.lastIndex = from;
  const match = found.exec(text);
  return match ? match.index + match[0].length : text.length;
}
