import { memo } from "react";
import { describe, named, pieces, type Piece } from "./exact";

/** A text with nothing in it that could hide, or stand elsewhere than it does. */
export const Exact = memo(function Exact({ text }: { text: string }) {
  return <>{pieces(text).map(shown)}</>;
});

function shown({ kind, text }: Piece, at: number) {
  switch (kind) {
    case "plain":
      return text;
    case "hidden":
      return (
        <span key={at} className="exact-hidden" title={describe(text)}>
          {named(text)}
        </span>
      );
    case "mixed":
      return (
        <bdi key={at} className="exact-mixed" title="Letters of several alphabets, or ones that only look plain">
          {text}
        </bdi>
      );
    case "rtl":
      return <bdi key={at}>{text}</bdi>;
  }
}
