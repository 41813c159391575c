/** CommonMark and GFM to a tree. Of HTML it only says where it is: nothing here, or above, makes elements of it. */

import type { Definition, FootnoteDefinition, Nodes, RootContent } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";

/** What a document says somewhere and means everywhere in it. */
export interface Labels {
  /** Of link reference definitions. */
  links: ReadonlySet<string>;
  footnotes: ReadonlySet<string>;
}

export const NO_LABELS: Labels = { links: new Set(), footnotes: new Set() };

const extensions = [gfm({ singleTilde: false })];
const mdastExtensions = [gfmFromMarkdown()];

/** Without what takes longer than in proportion to its length where there is very much of it. */
const SIMPLE = {
  disable: {
    null: [
      ...["attention", "strikethrough", "codeText", "blockQuote"],
      ...["labelStartLink", "labelStartImage", "labelEnd", "gfmFootnoteCall", "gfmPotentialFootnoteCall"],
    ],
  },
};

export interface Parsed {
  /** What was parsed; the positions of the nodes are in it. */
  source: string;
  /** Where the document's own text begins in it. */
  offset: number;
  nodes: RootContent[];
}

/** Parses a piece that begins where a block does, as if its document had defined these labels. */
export function parse(piece: string, labels: Labels = NO_LABELS): Parsed {
  const before = preamble(labels, piece);
  const source = before + piece;
  const all = isExcessive(piece) ? [...extensions, SIMPLE] : extensions;
  const nodes = fromMarkdown(source, { extensions: all, mdastExtensions }).children;
  return { source, offset: before.length, nodes: nodes.filter((node) => startOf(node) >= before.length) };
}

/** Definitions with nothing to say, and a rule below them, which no text can become a part of. */
function preamble({ links, footnotes }: Labels, piece: string): string {
  // A byte order mark is one only where the document begins.
  if (links.size + footnotes.size === 0) return piece.startsWith("\uFEFF") ? "***\n" : "";
  const lines = [...[...footnotes].map((label) => `[^${label}]: _`), ...[...links].map((label) => `[${label}]: _`)];
  return `${lines.join("\n\n")}\n\n***\n`;
}

/** Thousands of marks in one paragraph, or quotes in quotes: nobody writes that, unless to make a page stand still. */
function isExcessive(piece: string): boolean {
  if (piece.length < MOST_MARKS) return false;
  if (/^(?:[ \t]*>){100}/m.test(piece)) return true;
  return piece.split(/\n[ \t]*\r?\n/).some((lines) => lines.length >= MOST_MARKS && lines.replace(/[^*_~`[\]]+/g, "").length >= MOST_MARKS);
}

const MOST_MARKS = 3000;

export function startOf(node: Nodes): number {
  return node.position?.start.offset ?? 0;
}

/** What a piece of a document says to the rest of it, and asks of it, in order. */
export interface Mentions {
  definitions: Definition[];
  footnotes: FootnoteDefinition[];
  /** The labels of the footnotes that it refers to. */
  notes: string[];
  /** It has links or images whose address is defined elsewhere. */
  refers: boolean;
}

export function mentionsOf(node: Nodes): Mentions {
  const mentions: Mentions = { definitions: [], footnotes: [], notes: [], refers: false };
  const left: Nodes[] = [node];
  for (let next = left.pop(); next; next = left.pop()) {
    if (next.type === "definition") mentions.definitions.push(next);
    if (next.type === "footnoteDefinition") mentions.footnotes.push(next);
    if (next.type === "footnoteReference") mentions.notes.push(next.identifier);
    if (next.type === "linkReference" || next.type === "imageReference") mentions.refers = true;
    if ("children" in next) left.push(...next.children.toReversed());
  }
  return mentions;
}
