import { textOf, type FoldedMessage } from "@weir/client";
import { Pencil } from "lucide-react";
import { memo, useState, type FormEvent, type KeyboardEvent } from "react";
import { FilePart } from "../files/FilePart";
import { complain } from "../look/Toast";
import { useBranches } from "./branches";
import { Siblings } from "./Siblings";

/** What a person wrote, as it was written; and a place to write it in other words. */
export const QuestionCard = memo(function QuestionCard({ message }: { message: FoldedMessage }) {
  const branches = useBranches();
  const [isEdited, setEdited] = useState(false);
  return (
    <article className="question" aria-label="You" data-message-id={message.id}>
      {isEdited ? (
        <Editor message={message} onEnd={() => setEdited(false)} />
      ) : (
        <div className="bubble">
          {message.parts.map((part, at) =>
            part.type === "text" ? (
              <div key={at} data-part="text">
                {textOf(part)}
              </div>
            ) : part.type === "file" ? (
              <FilePart key={at} file={part} />
            ) : null,
          )}
        </div>
      )}
      {!isEdited && (
        <div className="question-foot">
          {branches && (
            <button type="button" className="icon-button small" aria-label="Edit" title="Ask in other words" onClick={() => setEdited(true)}>
              <Pencil aria-hidden />
            </button>
          )}
          <Siblings siblings={message.siblings} what="version" />
        </div>
      )}
    </article>
  );
});

function Editor({ message, onEnd }: { message: FoldedMessage; onEnd(): void }) {
  const branches = useBranches();
  const [text, setText] = useState(() => message.parts.map(textOf).join(""));
  const [isSending, setSending] = useState(false);
  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (!branches || isSending || text.trim() === "") return;
    setSending(true);
    branches.edit(message, text).then(onEnd, (error: unknown) => {
      complain(error);
      setSending(false);
    });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") onEnd();
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      submit();
    }
  };
  return (
    <form className="bubble editor" onSubmit={submit}>
      <textarea
        aria-label="Your message in other words"
        autoFocus
        rows={Math.min(12, text.split("\n").length + 1)}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className="editor-foot">
        <button type="button" className="button quiet" onClick={onEnd}>
          Cancel
        </button>
        <button type="submit" className="button" disabled={isSending || text.trim() === ""}>
          Ask
        </button>
      </div>
    </form>
  );
}
