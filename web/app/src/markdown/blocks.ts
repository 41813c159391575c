/**
 * A growing text as blocks. What can no longer change is parsed once: of an answer that streams, only its end is parsed
 * again. The blocks of a whole text are those of parsing it in one go.
 */

import type { Definition, FootnoteDefinition, RootContent } from "mdast";

import { openFence, type OpenFence } from "./fence.ts";
import { heal } from "./heal.ts";
import { mentionsOf, NO_LABELS, parse, startOf, type Labels, type Mentions, type Parsed } from "./parse.ts";

export interface Block {
  /** Where it begins in the text. */
  start: number;
  /** Still growing. */
  open: boolean;
  node: RootContent;
  /** What it was parsed from: `node`'s positions are in it. */
  source: string;
  mentions: Mentions;
}

/** Lines between blank ones, that were parsed together and would be again. */
interface Frozen {
  start: number;
  text: string;
  blocks: Block[];
}

export interface Footnote {
  footnote: FootnoteDefinition;
  source: string;
}

export interface Document {
  blocks: readonly Block[];
  /** The first of a label counts. */
  definitions: ReadonlyMap<string, Definition>;
  /** The footnotes that are referred to, in the order of that, each with what its positions are in. */
  footnotes: readonly Footnote[];
}

const EMPTY: ReadonlyMap<string, Definition> = new Map();

export class Blocks {
  private text = "";
  /** Everything before `settled` can no longer become part of something else. */
  private frozen: Frozen[] = [];
  private frozenLabels = noLabels();
  private settled = 0;
  /** Up to here the lines were looked at for what has ended. */
  private judged = 0;
  private fence: OpenFence | undefined;
  private labels: Labels = NO_LABELS;
  private definitions: ReadonlyMap<string, Definition> = EMPTY;

  /** The same text gives the same answer; one that goes on where the last one ended gives it soonest. */
  of(given: string, streaming: boolean): Document {
    const text = given.replace(/^\uFEFF/, "");
    if (!text.startsWith(this.text)) this.forget();
    this.text = text;
    this.settleFence();
    let growing = this.growing(streaming);
    if (streaming && growing.length > 1 && this.settle()) growing = this.growing(streaming);
    if (this.relabel(growing)) growing = this.growing(streaming);
    return this.document(growing);
  }

  private forget(): void {
    this.frozen = [];
    this.frozenLabels = noLabels();
    this.settled = this.judged = 0;
    this.fence = undefined;
    this.labels = NO_LABELS;
    this.definitions = EMPTY;
  }

  /** Code that is being written is looked at line by line. */
  private settleFence(): void {
    const end = completeLines(this.text);
    while (end > this.settled && (this.fence ??= openFence(this.text, this.settled))) {
      const closed = this.fence.closedAt(this.text, end);
      if (closed === undefined) return;
      this.freeze(this.parse(this.settled, closed), afterBlankLines(this.text, closed, end));
      this.fence = undefined;
    }
  }

  /** Freezes the blocks that the complete lines have ended. Whether there were any. */
  private settle(): boolean {
    const end = completeLines(this.text);
    if (end <= this.judged) return false;
    this.judged = end;
    const parsed = this.parse(this.settled, end);
    const ended = stillOpen(parsed);
    const open = parsed.nodes[ended];
    if (!open || ended === 0) return false;
    const settled = this.settled + lineStart(parsed.source, startOf(open)) - parsed.offset;
    this.freeze({ ...parsed, nodes: parsed.nodes.slice(0, ended) }, settled);
    this.settleFence();
    return true;
  }

  private freeze(parsed: Parsed, end: number): void {
    const blocks = this.blocks(parsed, this.settled);
    const pieces: Block[][] = [];
    for (const block of blocks) {
      const before = pieces.at(-1);
      const above = before?.at(-1);
      if (before && above && !isApart(above.node, block.node, parsed.source)) before.push(block);
      else pieces.push([block]);
    }
    const starts = pieces.map(([block]) => block?.start ?? end);
    pieces.forEach((blocks, at) => {
      const start = starts[at] ?? end;
      this.frozen.push({ start, text: this.text.slice(start, starts[at + 1] ?? end), blocks });
    });
    this.settled = end;
    addLabels(blocks, this.frozenLabels);
  }

  /** What is not frozen yet. While more is coming, it is shown as what it most likely becomes. */
  private growing(streaming: boolean): Block[] {
    const rest = this.text.slice(this.settled);
    if (rest === "") return [];
    if (!streaming) return this.blocks(parse(rest, this.labels), this.settled);
    if (this.fence) return [this.block(this.fence.node(rest), rest, this.settled, true)];
    const blocks = this.blocks(parse(heal(rest), this.labels), this.settled);
    return blocks.map((block, at) => ({ ...block, open: at === blocks.length - 1 }));
  }

  /**
   * A label that is defined further down makes links of what was plain text above. Whether anything changed; then the
   * frozen blocks are as they should be.
   */
  private relabel(growing: readonly Block[]): boolean {
    const { links, footnotes } = this.frozenLabels;
    const labels = { links: new Set(links), footnotes: new Set(footnotes) };
    addLabels(growing, labels);
    if (same(labels.links, this.labels.links) && same(labels.footnotes, this.labels.footnotes)) return false;
    this.labels = labels;
    for (const piece of this.frozen) {
      if (piece.text.includes("[")) piece.blocks = this.blocks(parse(piece.text, labels), piece.start);
    }
    return true;
  }

  private document(growing: readonly Block[]): Document {
    const blocks = [...this.frozen.flatMap((piece) => piece.blocks), ...growing];
    // Most texts have neither.
    const { links, footnotes } = this.labels;
    const definitions = links.size === 0 ? EMPTY : first(blocks.flatMap(({ mentions }) => mentions.definitions));
    if (!saySame(definitions, this.definitions)) this.definitions = definitions;
    return { blocks, definitions: this.definitions, footnotes: footnotes.size === 0 ? [] : footnotesOf(blocks) };
  }

  private parse(start: number, end: number): Parsed {
    return parse(this.text.slice(start, end), this.labels);
  }

  private blocks({ source, offset, nodes }: Parsed, start: number): Block[] {
    return nodes.map((node) => this.block(node, source, start + lineStart(source, startOf(node)) - offset, false));
  }

  private block(node: RootContent, source: string, start: number, open: boolean): Block {
    return { start, open, node, source, mentions: mentionsOf(node) };
  }
}

/** Blank lines below a block that has ended belong to nothing. */
function afterBlankLines(text: string, from: number, end: number): number {
  const blank = /(?:[ \t]*(?:\r\n|\r|\n))*/y;
  blank.lastIndex = from;
  return Math.min(from + (blank.exec(text)?.[0].length ?? 0), end);
}

/** How many of the nodes no further line can change. */
function stillOpen({ nodes, source }: Parsed): number {
  let at = nodes.length - 1;
  for (let [above, node] = [nodes[at - 1], nodes[at]]; above && node; [above, node] = [nodes[at - 1], nodes[at]]) {
    if (isApart(above, node, source)) break;
    at -= 1;
  }
  return Math.max(at, 0);
}

/**
 * Nothing can move from one to the other: a blank line is between them. Without one a line may still join what stands
 * above it, as a definition's title does. Code by indentation goes on over blank lines, and changes what may follow.
 */
function isApart(above: RootContent, node: RootContent, source: string): boolean {
  const isIndented = above.type === "code" && !/[`~]/.test(source[startOf(above)] ?? "");
  return !isIndented && (node.position?.start.line ?? 0) > (above.position?.end.line ?? 0) + 1;
}

/** Where the last line begins. A return at the very end may be half a line ending. */
function completeLines(text: string): number {
  const end = text.endsWith("\r") ? text.length - 2 : text.length - 1;
  return Math.max(text.lastIndexOf("\n", end), text.lastIndexOf("\r", end)) + 1;
}

function lineStart(text: string, at: number): number {
  return Math.max(text.lastIndexOf("\n", at - 1), at === 0 ? -1 : text.lastIndexOf("\r", at - 1)) + 1;
}

function noLabels() {
  return { links: new Set<string>(), footnotes: new Set<string>() };
}

function addLabels(blocks: readonly Block[], { links, footnotes }: ReturnType<typeof noLabels>): void {
  for (const { mentions } of blocks) {
    for (const { identifier } of mentions.definitions) links.add(identifier);
    for (const { identifier } of mentions.footnotes) footnotes.add(identifier);
  }
}

function same(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && [...one].every((label) => other.has(label));
}

function saySame(one: ReadonlyMap<string, Definition>, other: ReadonlyMap<string, Definition>): boolean {
  const all = [...one.values()];
  return one.size === other.size && all.every(({ identifier, url, title }) => {
    const known = other.get(identifier);
    return known?.url === url && known.title === title;
  });
}

function first<T extends { identifier: string }>(defined: readonly T[]): Map<string, T> {
  return new Map(defined.toReversed().map((one) => [one.identifier, one]));
}

function footnotesOf(blocks: readonly Block[]): Footnote[] {
  const defined = blocks.flatMap(({ source, mentions }) => mentions.footnotes.map((footnote) => ({ footnote, source })));
  const byLabel = new Map(defined.toReversed().map((one) => [one.footnote.identifier, one]));
  const found = new Set<Footnote>();
  const left = blocks.filter(({ node }) => node.type !== "footnoteDefinition").flatMap(({ mentions }) => mentions.notes);
  for (const label of left) {
    const one = byLabel.get(label);
    if (!one || found.has(one)) continue;
    found.add(one);
    left.push(...mentionsOf(one.footnote).notes);
  }
  return [...found];
}
