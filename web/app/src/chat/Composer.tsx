/** Where one writes. Enter sends, Shift+Enter makes a line; what was not taken by the server stays written here. */

import { ArrowUp, Square } from "lucide-react";
import { useEffect, useLayoutEffect, useRef, useState, type FormEvent, type KeyboardEvent, type ReactNode } from "react";
import { Waiting } from "../look/Waiting";
import { inWords } from "../server";
import { keyFor, loadDraft, saveDraft, sent } from "./draft";

interface ComposerProps {
  /** Where the draft is kept. */
  place: string;
  /** An answer is on its way: what is sent now waits for its end. */
  isBusy?: boolean;
  /** Who answers, and how: the same text to someone else is another message. */
  way: unknown;
  onSend(text: string, key: string): Promise<unknown>;
  onStop?(): void;
  /** Put into the box from elsewhere, to be sent or changed. */
  suggestion?: { text: string } | undefined;
  children?: ReactNode;
}

export function Composer({ place, isBusy = false, way, onSend, onStop, suggestion, children }: ComposerProps) {
  const [text, setText] = useState(() => loadDraft(place));
  const [isSending, setSending] = useState(false);
  const [problem, setProblem] = useState<string>();
  const box = useRef<HTMLTextAreaElement>(null);

  const write = (text: string) => {
    setText(text);
    saveDraft(place, text);
    setProblem(undefined);
  };
  useEffect(() => {
    if (suggestion) write(suggestion.text);
    // Only another suggestion is put in.
  }, [suggestion]);
  useLayoutEffect(() => {
    const { current } = box;
    if (!current) return;
    current.style.height = "auto";
    current.style.height = `${current.scrollHeight}px`;
  }, [text]);
  useEffect(() => {
    // A touch keyboard that jumps up hides what one came to read.
    if (matchMedia("(pointer: fine)").matches) box.current?.focus({ preventScroll: true });
  }, []);

  const send = async () => {
    if (isSending || text.trim() === "") return;
    setSending(true);
    setProblem(undefined);
    try {
      await onSend(text, keyFor(place, text, way));
      sent(place);
      setText("");
    } catch (error) {
      setProblem(inWords(error));
    } finally {
      setSending(false);
    }
    if (matchMedia("(pointer: fine)").matches) box.current?.focus({ preventScroll: true });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void send();
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    void send();
  };
  const isEmpty = text.trim() === "";

  return (
    <form className="composer" onSubmit={onSubmit} aria-label="Message">
      {problem && (
        <p role="alert" className="composer-problem">
          {problem} Your message is still here.{" "}
          <button type="submit" className="link">
            Send it again
          </button>
        </p>
      )}
      <div className="composer-box">
        <textarea
          ref={box}
          id="composer"
          aria-label="Your message"
          aria-describedby="composer-hint"
          placeholder={isBusy ? "Write the next message; it waits for its turn" : "Write a message"}
          rows={1}
          enterKeyHint="send"
          readOnly={isSending}
          value={text}
          onChange={(event) => write(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <span id="composer-hint" className="unseen">
          Enter sends, Shift and Enter make a new line.
        </span>
        <div className="composer-bar">
          {children}
          <span className="composer-space" />
          {isBusy && onStop && (
            <button type="button" className="round-button stop" aria-label="Stop the answer" title="Stop the answer" onClick={onStop}>
              <Square aria-hidden />
            </button>
          )}
          {!(isBusy && isEmpty) && (
            <button type="submit" className="round-button send" aria-label={isBusy ? "Queue the message" : "Send"} title={isBusy ? "Queue the message" : "Send"} disabled={isEmpty || isSending}>
              {isSending ? <Waiting label="Sending" /> : <ArrowUp aria-hidden />}
            </button>
          )}
        </div>
      </div>
    </form>
  );
}
