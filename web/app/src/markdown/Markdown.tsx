/**
 * An answer's text. Nothing in it makes a request, runs, or styles the page: the tree of the text becomes elements of a
 * closed list (`nodes.tsx`), and HTML is shown as the text that it is.
 */

import { memo, useEffect, useId, useMemo, useReducer, useState } from "react";

import { Blocks, type Block, type Document } from "./blocks.ts";
import "./markdown.css";
import { Footnotes, render, type Surroundings } from "./nodes.tsx";
import { Pace } from "./pace.ts";

export interface MarkdownProps {
  text: string;
  /** More is coming: the end may be half a word of markup. */
  streaming?: boolean;
}

export const Markdown = memo(function Markdown({ text, streaming = false }: MarkdownProps) {
  const { blocks, definitions, footnotes } = usePaced(text, streaming);
  const id = useId();
  const notes = footnotes.map(({ footnote }) => footnote.identifier).join(" ");
  const links = useMemo(() => ({ definitions, notes: notes === "" ? [] : notes.split(" "), id }), [definitions, notes, id]);
  return (
    <div className="markdown">
      {blocks.map((block) => (
        <Shown key={block.start} block={block} links={usesLabels(block) ? links : NO_LINKS} />
      ))}
      <Footnotes footnotes={footnotes} around={{ ...links, open: false, depth: 0, inLink: false }} />
    </div>
  );
});

/** The text's blocks; for a while those of an earlier piece of it, where it grows and takes long. */
function usePaced(text: string, streaming: boolean): Document {
  const [{ known, pace, drawn }] = useState(() => ({ known: new Blocks(), pace: new Pace(), drawn: { text: "", document: NOTHING } }));
  const [, drawAgain] = useReducer((times: number) => times + 1, 0);
  const clock = () => performance.now();
  const left = streaming && text.startsWith(drawn.text) ? pace.left(clock()) : 0;
  if (left === 0) {
    drawn.document = pace.measured(() => known.of(text, streaming), clock);
    drawn.text = text;
  }
  useEffect(() => {
    if (left === 0) return;
    const timer = setTimeout(drawAgain, left);
    return () => clearTimeout(timer);
  });
  return drawn.document;
}

const NOTHING: Document = { blocks: [], definitions: new Map(), footnotes: [] };

type Links = Pick<Surroundings, "definitions" | "notes" | "id">;

const NO_LINKS: Links = { definitions: new Map(), notes: [], id: "" };

/** A finished block keeps its node, and is not drawn again. */
const Shown = memo(
  function Shown({ block: { node, source, open }, links }: { block: Block; links: Links }) {
    return render(node, { ...links, source, open, depth: 0, inLink: false });
  },
  (one, other) => one.block.node === other.block.node && one.block.open === other.block.open && one.links === other.links,
);

function usesLabels({ mentions }: Block): boolean {
  return mentions.refers || mentions.notes.length > 0;
}
