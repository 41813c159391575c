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

/** `first` is what stands on top; another `sends` takes one to the end, since what one has sent is looked at. */
export function useScroll(first: string | undefined, sends: number): Scroll {
  const frame = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const [isAway, setAway] = useState(false);
  const top = useRef(first);
  const before = useRef<{ height: number; scrolled: number }>(undefined);
  if (first !== top.current && frame.current && top.current !== undefined) {
    before.current ??= { height: frame.current.scrollHeight, scrolled: frame.current.scrollTop };
  }

  const stick = useCallback(() => {
    const { current } = frame;
    if (current && isAtEnd.current) current.scrollTop = current.scrollHeight;
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
    current.addEventListener("scroll", onScroll, { passive: true });
    const grown = new ResizeObserver(stick);
    grown.observe(content.current);
    grown.observe(current);
    return () => {
      current.removeEventListener("scroll", onScroll);
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

  const toEnd = useCallback(() => {
    isAtEnd.current = true;
    setAway(false);
    const { current } = frame;
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    current?.scrollTo({ top: current.scrollHeight, behavior });
  }, []);

  useEffect(() => {
    isAtEnd.current = true;
    setAway(false);
    stick();
  }, [sends, stick]);

  return { frame, content, isAway, toEnd };
}
