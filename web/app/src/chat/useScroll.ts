/** Keeps a growing list at its end while one is there, and where one reads while older things come in above. */

import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";

/** So near to the end counts as being there. */
const NEAR = 64;

interface Scroll {
  frame: RefObject<HTMLDivElement | null>;
  content: RefObject<HTMLDivElement | null>;
  isAway: boolean;
  toEnd(): void;
}

/** A message to go to. Another `visit` goes there again. */
export interface Target {
  id: string;
  visit: number;
}

/** For so long it is marked, and stays in its place while what is around it takes its own. */
const MARKED_FOR = 2_500;

/**
 * `first` is what stands on top; another `sends` takes one to the end, since what one has sent is looked at; a target is
 * gone to once it is there.
 */
export function useScroll(first: string | undefined, sends: number, target: Target | undefined): Scroll {
  const frame = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const held = useRef<HTMLElement>(undefined);
  const [isAway, setAway] = useState(false);
  const top = useRef(first);
  const before = useRef<{ height: number; scrolled: number }>(undefined);
  if (first !== top.current && frame.current && top.current !== undefined) {
    before.current ??= { height: frame.current.scrollHeight, scrolled: frame.current.scrollTop };
  }

  const stick = useCallback(() => {
    const { current } = frame;
    if (current && held.current) reveal(held.current, current);
    else if (current && isAtEnd.current) current.scrollTop = current.scrollHeight;
  }, []);

  useEffect(() => {
    const { current } = frame;
    if (!current || !content.current) return;
    let scrolled = current.scrollTop;
    const onScroll = () => {
      const left = current.scrollHeight - current.clientHeight - current.scrollTop;
      // What grows below is not a person who scrolls up.
      if (left <= NEAR) isAtEnd.current = true;
      else if (current.scrollTop < scrolled) isAtEnd.current = false;
      scrolled = current.scrollTop;
      setAway(!isAtEnd.current);
    };
    const letGo = () => {
      held.current = undefined;
    };
    current.addEventListener("scroll", onScroll, { passive: true });
    for (const type of HANDS) current.addEventListener(type, letGo, { passive: true });
    const grown = new ResizeObserver(stick);
    grown.observe(content.current);
    grown.observe(current);
    return () => {
      current.removeEventListener("scroll", onScroll);
      for (const type of HANDS) current.removeEventListener(type, letGo);
      grown.disconnect();
    };
  }, [stick]);

  // Older messages came in above: what one reads stays where it is.
  useLayoutEffect(() => {
    top.current = first;
    const { current } = frame;
    if (!current || !before.current) return;
    const { height, scrolled } = before.current;
    before.current = undefined;
    if (!isAtEnd.current) current.scrollTop = scrolled + current.scrollHeight - height;
  }, [first]);

  useLayoutEffect(() => {
    const { current } = frame;
    const message = target && current?.querySelector<HTMLElement>(`[data-message-id="${target.id}"]`);
    if (!current || !message) return;
    held.current = message;
    isAtEnd.current = false;
    reveal(message, current);
    message.dataset["found"] = "";
    message.tabIndex = -1;
    // The box for messages takes the focus when it comes.
    const focus = requestAnimationFrame(() => message.focus({ preventScroll: true }));
    const unmark = () => {
      delete message.dataset["found"];
      if (held.current === message) held.current = undefined;
    };
    const timer = setTimeout(unmark, MARKED_FOR);
    return () => {
      cancelAnimationFrame(focus);
      clearTimeout(timer);
      unmark();
    };
  }, [target]);

  const toEnd = useCallback(() => {
    held.current = undefined;
    isAtEnd.current = true;
    setAway(false);
    const { current } = frame;
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    current?.scrollTo({ top: current.scrollHeight, behavior });
  }, []);

  useEffect(() => {
    // At first, one may have come for a message.
    if (held.current) return;
    isAtEnd.current = true;
    setAway(false);
    stick();
  }, [sends, stick]);

  return { frame, content, isAway, toEnd };
}

/** What a person does to a list to move in it. */
const HANDS = ["wheel", "touchstart", "pointerdown", "keydown"] as const;

const MARGIN = 24;

/** A little above the middle; what is long, from its beginning. */
function reveal(message: HTMLElement, frame: HTMLElement): void {
  const [at, around] = [message.getBoundingClientRect(), frame.getBoundingClientRect()];
  const above = Math.max(MARGIN, (around.height - at.height) / 3);
  frame.scrollTop += at.top - around.top - above;
}
