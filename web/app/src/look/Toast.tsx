/** A short word at the edge that goes away by itself: what was tried and did not work. */

import { useEffect, useState } from "react";
import { inWords } from "../server";

const SHOWN_FOR = 6_000;

let show: ((text: string) => void) | undefined;

/** For a promise that nobody waits for. */
export function complain(error: unknown): void {
  show?.(inWords(error));
}

export function Toast() {
  const [text, setText] = useState("");
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    show = (text) => {
      clearTimeout(timer);
      setText(text);
      timer = setTimeout(() => setText(""), SHOWN_FOR);
    };
    return () => clearTimeout(timer);
  }, []);
  return (
    <div role="alert" className="toast-place">
      {text && <p className="toast">{text}</p>}
    </div>
  );
}
