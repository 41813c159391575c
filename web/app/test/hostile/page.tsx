/** Draws texts at every prefix, and looks at what became of them. */

import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";

import { Markdown } from "../../src/markdown/Markdown.tsx";
import { strangers } from "./strangers.ts";

export interface Finding {
  text: string;
  /** How much of it was drawn. */
  prefix: number;
  what: string;
}

const growing = document.getElementById("growing") as HTMLElement;
const cut = document.getElementById("cut") as HTMLElement;

/** Grows the text as a stream does, and beside it shows each prefix as an answer that was cut there. */
async function draw(text: string): Promise<{ prefixes: number; findings: Finding[] }> {
  const findings: Finding[] = [];
  const [stream, answer] = [createRoot(growing), createRoot(cut)];
  for (let prefix = 1; prefix <= text.length; prefix += 1) {
    const part = text.slice(0, prefix);
    flushSync(() => {
      stream.render(<Markdown text={part} streaming />);
      answer.render(<Markdown key={prefix} text={part} />);
    });
    for (const what of [...strangers(growing), ...strangers(cut)]) findings.push({ text, prefix, what });
    // What would load or run gets the time to.
    if (prefix % 16 === 0) await pause();
  }
  await pause();
  stream.unmount();
  answer.unmount();
  return { prefixes: text.length, findings };
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

(window as unknown as { draw: typeof draw }).draw = draw;
