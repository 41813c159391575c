/** The nodes of a parsed text as elements. What is not in this list is shown as its source. */

import type { Definition, FootnoteDefinition, ListItem, Nodes, Table } from "mdast";
import { Fragment, type ReactNode } from "react";

import { Code } from "./Code.tsx";
import { Link } from "./Link.tsx";
import { visible } from "./visible.tsx";

export interface Surroundings {
  definitions: ReadonlyMap<string, Definition>;
  /** The labels of the footnotes, in the order of their numbers. */
  notes: readonly string[];
  /** Tells this text's footnotes from those of other texts on the page. */
  id: string;
  /** What the positions of the nodes are in. */
  source: string;
  /** More may come. */
  open: boolean;
  depth: number;
  inLink: boolean;
}

/** A browser lays elements out by recursion; nobody nests quotes that deeply. */
const DEEPEST = 40;

export function render(node: Nodes, around: Surroundings): ReactNode {
  if (around.depth > DEEPEST) return sourceOf(node, around);
  const inside = () => ("children" in node ? renderAll(node.children, deeper(around)) : null);
  switch (node.type) {
    case "text":
      return node.value;
    case "paragraph":
      return <p dir="auto">{inside()}</p>;
    case "heading": {
      // The page has headings of its own above these.
      const Heading = (["h3", "h4", "h5", "h6", "h6", "h6"] as const)[node.depth - 1] ?? "h6";
      return <Heading className={`md-h${node.depth}`} dir="auto">{inside()}</Heading>;
    }
    case "emphasis":
      return <em>{inside()}</em>;
    case "strong":
      return <strong>{inside()}</strong>;
    case "delete":
      return <del>{inside()}</del>;
    case "inlineCode":
      return <code dir="auto">{visible(node.value)}</code>;
    case "code":
      return <Code language={node.lang ?? ""} text={node.value} open={around.open} />;
    case "break":
      return <br />;
    case "thematicBreak":
      return <hr />;
    case "blockquote":
      return <blockquote dir="auto">{inside()}</blockquote>;
    case "list": {
      const loose = node.spread === true || node.children.some(({ spread }) => spread);
      const items = node.children.map((item, at) => <Item key={at} item={item} loose={loose} around={deeper(around)} />);
      return node.ordered ? <ol start={node.start ?? 1}>{items}</ol> : <ul>{items}</ul>;
    }
    case "table":
      return <ScrolledTable table={node} around={around} />;
    case "link":
      return link(node.url, node.children, around);
    case "linkReference": {
      const definition = around.definitions.get(node.identifier);
      return definition ? link(definition.url, node.children, around) : sourceOf(node, around);
    }
    case "image":
      return picture(node.url, node.alt, around);
    case "imageReference": {
      const definition = around.definitions.get(node.identifier);
      return definition ? picture(definition.url, node.alt, around) : sourceOf(node, around);
    }
    case "footnoteReference": {
      const number = around.notes.indexOf(node.identifier) + 1;
      return number === 0 || around.inLink ? (
        sourceOf(node, around)
      ) : (
        <sup>
          <a className="md-note" href={`#${noteId(around.id, number)}`} onClick={goThere} aria-label={`Footnote ${number}`}>
            {number}
          </a>
        </sup>
      );
    }
    case "html":
      // Of all HTML only a line break has its meaning, since tables have no other.
      return /^<br\s*\/?>$/i.test(node.value) ? <br /> : <span className="md-html">{visible(node.value)}</span>;
    case "definition":
    case "footnoteDefinition":
      return null;
    case "root":
    case "listItem":
    case "tableRow":
    case "tableCell":
    case "yaml":
      return sourceOf(node, around);
  }
}

function deeper(around: Surroundings): Surroundings {
  return { ...around, depth: around.depth + 1 };
}

function renderAll(nodes: readonly Nodes[], around: Surroundings): ReactNode {
  const last = nodes.length - 1;
  return nodes.map((node, at) => (
    <Fragment key={at}>{render(node, { ...around, open: around.open && at === last })}</Fragment>
  ));
}

function sourceOf({ position }: Nodes, { source }: Surroundings): ReactNode {
  return <span className="md-html">{visible(source.slice(position?.start.offset, position?.end.offset))}</span>;
}

function link(url: string, children: readonly Nodes[], around: Surroundings): ReactNode {
  const inside = renderAll(children, { ...deeper(around), inLink: true });
  const [only] = children;
  const text = children.length === 1 && only?.type === "text" ? only.value : "";
  return around.inLink ? inside : <Link url={url} text={text}>{inside}</Link>;
}

/** Never loaded: its address may say to someone else what stands in this conversation. */
function picture(url: string, alt: string | null | undefined, around: Surroundings): ReactNode {
  const name = `🖼 ${alt?.trim() || "Image"}`;
  return around.inLink ? name : <Link url={url} text={name}>{name}</Link>;
}

/** In a tight list, texts stand in their items without a paragraph of their own. */
function Item({ item, loose, around }: { item: ListItem; loose: boolean; around: Surroundings }) {
  const isTask = typeof item.checked === "boolean";
  const children = item.children.flatMap((child): Nodes[] =>
    child.type === "paragraph" && !loose ? child.children : [child],
  );
  return (
    <li className={isTask ? "md-task" : undefined} dir="auto">
      {isTask ? <input type="checkbox" checked={item.checked ?? false} disabled readOnly /> : null}
      {renderAll(children, around)}
    </li>
  );
}

function ScrolledTable({ table, around }: { table: Table; around: Surroundings }) {
  const [head, ...rows] = table.children.map(({ children }) => children);
  const cell = (Cell: "th" | "td", at: number, children: readonly Nodes[]) => {
    const align = table.align?.[at];
    return (
      <Cell key={at} className={align ? `md-${align}` : undefined} dir="auto">
        {renderAll(children, deeper(around))}
      </Cell>
    );
  };
  return (
    <div className="md-table" role="region" aria-label="Table" tabIndex={0}>
      <table>
        <thead>
          <tr>{head?.map(({ children }, at) => cell("th", at, children))}</tr>
        </thead>
        <tbody>
          {rows.map((cells, row) => (
            <tr key={row}>{cells.map(({ children }, at) => cell("td", at, children))}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export interface FootnotesProps {
  footnotes: readonly { footnote: FootnoteDefinition; source: string }[];
  around: Omit<Surroundings, "source">;
}

export function Footnotes({ footnotes, around }: FootnotesProps) {
  if (footnotes.length === 0) return null;
  return (
    <ol className="md-notes" aria-label="Footnotes">
      {footnotes.map(({ footnote, source }, at) => (
        <li key={footnote.identifier} id={noteId(around.id, at + 1)} tabIndex={-1} dir="auto">
          {renderAll(footnote.children, { ...around, source })}
        </li>
      ))}
    </ol>
  );
}

function noteId(id: string, number: number): string {
  return `note-${id}-${number}`;
}

/** Within the page, and without a step in its history. */
function goThere(event: { preventDefault(): void; currentTarget: HTMLAnchorElement }): void {
  event.preventDefault();
  const note = document.getElementById(event.currentTarget.hash.slice(1));
  note?.scrollIntoView({ block: "nearest" });
  note?.focus({ preventScroll: true });
}
