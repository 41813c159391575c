import { File as FileIcon, RotateCcw, X } from "lucide-react";
import { useEffect, useState } from "react";
import { Exact } from "../look/Exact";
import { inBytes, type Attachment } from "./attachments";

interface AttachmentListProps {
  items: readonly Attachment[];
  onRemove(key: number): void;
  onRetry(key: number): void;
}

/** The files that go with the next message. */
export function AttachmentList({ items, onRemove, onRetry }: AttachmentListProps) {
  if (items.length === 0) return null;
  return (
    <ul className="attachments" aria-label="Files">
      {items.map((item) => (
        <li key={item.key} data-state={item.state.is}>
          <Preview item={item} />
          <span className="attachment-name">
            <Exact text={item.name} />
            <small>
              {item.state.is === "failed" ? <span role="alert">{item.state.problem}</span> : inBytes(item.size)}
            </small>
            {item.state.is === "sending" && <progress max={1} value={item.state.fraction} aria-label={`Sending ${item.name}`} />}
          </span>
          {item.state.is === "failed" && (
            <button type="button" className="icon-button small" aria-label={`Send ${item.name} again`} title="Send again" onClick={() => onRetry(item.key)}>
              <RotateCcw aria-hidden />
            </button>
          )}
          <button type="button" className="icon-button small" aria-label={`Remove ${item.name}`} title="Remove" onClick={() => onRemove(item.key)}>
            <X aria-hidden />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Of the browser's own copy; nothing is asked of anyone. */
function Preview({ item: { file, mediaType } }: { item: Attachment }) {
  const [url, setUrl] = useState<string>();
  const isImage = file !== undefined && SHOWN.test(mediaType);
  useEffect(() => {
    if (!file || !isImage) return;
    const made = URL.createObjectURL(file);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [file, isImage]);
  return url === undefined ? <FileIcon aria-hidden /> : <img src={url} alt="" />;
}

/** Pictures that are nothing else besides; SVG is a document. */
export const SHOWN = /^image\/(?:png|jpeg|gif|webp|avif)$/;
