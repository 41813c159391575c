/** Where one writes. Enter sends, Shift+Enter makes a line; what was not taken by the server stays written here. */

import { ArrowUp, Paperclip, Square } from "lucide-react";
import {
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
  useSyncExternalStore,
  type ClipboardEvent,
  type FormEvent,
  type KeyboardEvent,
  type ReactNode,
} from "react";
import { AttachmentList } from "../files/AttachmentList";
import { Attachments } from "../files/attachments";
import { upload } from "../files/upload";
import { useDropped } from "../files/useDropped";
import { Waiting } from "../look/Waiting";
import { inWords } from "../server";
import { keyFor, loadDraft, saveDraft, sent } from "./draft";
import type { Said } from "./said";

interface ComposerProps {
  /** Where the draft is kept. */
  place: string;
  /** An answer is on its way: what is sent now waits for its end. */
  isBusy?: boolean;
  /** Who answers, and how: the same text to someone else is another message. */
  way: unknown;
  /** The server takes files. */
  takesFiles: boolean;
  onSend(said: Said, key: string): Promise<unknown>;
  onStop?(): void;
  /** Put into the box from elsewhere, to be sent or changed. */
  suggestion?: { text: string } | undefined;
  children?: ReactNode;
}

export function Composer({ place, isBusy = false, way, takesFiles, onSend, onStop, suggestion, children }: ComposerProps) {
  const [text, setText] = useState(() => loadDraft(place));
  const [isSending, setSending] = useState(false);
  const [problem, setProblem] = useState<string>();
  const box = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const [attachments] = useState(() => new Attachments(place, upload));
  const files = useSyncExternalStore(attachments.subscribe, () => attachments.items);
  const attach = (chosen: Iterable<File>) => {
    setProblem(undefined);
    attachments.add(chosen);
  };
  const isOver = useDropped(takesFiles, attach);

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

  const isEmpty = text.trim() === "" && files.length === 0;
  const isBlocked = isEmpty || isSending || files.some(({ state }) => state.is !== "there");
  const send = async () => {
    if (isSending || isEmpty || !attachments.isComplete) return;
    setSending(true);
    setProblem(undefined);
    const fileIds = attachments.ids;
    try {
      await onSend({ text, fileIds }, keyFor(place, text, fileIds.length === 0 ? way : [way, fileIds]));
      sent(place);
      setText("");
      attachments.clear();
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
  const onPaste = (event: ClipboardEvent) => {
    const pasted = [...event.clipboardData.files];
    if (!takesFiles || pasted.length === 0) return;
    event.preventDefault();
    attach(pasted);
  };

  return (
    <form className="composer" data-over={isOver || undefined} onSubmit={onSubmit} aria-label="Message">
      {problem && (
        <p role="alert" className="composer-problem">
          {problem} Your message is still here.{" "}
          <button type="submit" className="link">
            Send it again
          </button>
        </p>
      )}
      <div className="composer-box">
        <AttachmentList items={files} onRemove={(key) => attachments.remove(key)} onRetry={(key) => attachments.retry(key)} />
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
          onPaste={onPaste}
        />
        {isOver && <div className="drop-here" aria-hidden>Drop files to attach them</div>}
        <span id="composer-hint" className="unseen">
          Enter sends, Shift and Enter make a new line.
        </span>
        <div className="composer-bar">
          {takesFiles && (
            <>
              <input
                ref={picker}
                type="file"
                multiple
                hidden
                aria-label="Files to attach"
                onChange={({ target }) => {
                  attach([...(target.files ?? [])]);
                  target.value = "";
                }}
              />
              <button type="button" className="icon-button" aria-label="Attach files" title="Attach files" disabled={isSending} onClick={() => picker.current?.click()}>
                <Paperclip aria-hidden />
              </button>
            </>
          )}
          {children}
          <span className="composer-space" />
          {isBusy && onStop && (
            <button type="button" className="round-button stop" aria-label="Stop the answer" title="Stop the answer" onClick={onStop}>
              <Square aria-hidden />
            </button>
          )}
          {!(isBusy && isEmpty) && (
            <button type="submit" className="round-button send" aria-label={isBusy ? "Queue the message" : "Send"} title={isBusy ? "Queue the message" : "Send"} disabled={isBlocked}>
              {isSending ? <Waiting label="Sending" /> : <ArrowUp aria-hidden />}
            </button>
          )}
        </div>
      </div>
    </form>
  );
}
