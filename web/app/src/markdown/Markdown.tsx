/** An answer's text. */

import { memo } from "react";

export interface MarkdownProps {
  text: string;
  /** More is coming: the end may be half a word of markup. */
  streaming?: boolean;
}

export const Markdown = memo(function Markdown({ text }: MarkdownProps) {
  return <div className="markdown">{text}</div>;
});
