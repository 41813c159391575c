/** A file of a message: a picture is shown, everything else is there to be taken. */

import { Download, File as FileIcon } from "lucide-react";
import { useEffect, useState } from "react";
import { Exact } from "../look/Exact";
import { api } from "../server";
import { SHOWN } from "./AttachmentList";
import { inBytes } from "./attachments";

export interface ShownFile {
  file_id: string;
  name?: string;
  media_type?: string;
  size?: number;
}

/** More is not loaded by itself. */
const PICTURE_BYTES = 10_000_000;

export function FilePart({ file }: { file: ShownFile }) {
  const { file_id, name = "A file", media_type = "", size } = file;
  const picture = usePicture(file);
  return (
    <figure className="file-part">
      {picture !== undefined && <img src={picture} alt={name} />}
      <figcaption>
        <FileIcon aria-hidden />
        <span>
          <Exact text={name} />
          <small>{[media_type, size === undefined ? "" : inBytes(size)].filter(Boolean).join(" · ")}</small>
        </span>
        <a className="icon-button small" href={`/v1/files/${encodeURIComponent(file_id)}/content`} download={name} aria-label={`Download ${name}`} title="Download">
          <Download aria-hidden />
        </a>
      </figcaption>
    </figure>
  );
}

/** The server hands files out to be kept, not shown; the page shows its own copy. */
function usePicture({ file_id, media_type = "", size = Infinity }: ShownFile): string | undefined {
  const [url, setUrl] = useState<string>();
  const isWanted = SHOWN.test(media_type) && size <= PICTURE_BYTES;
  useEffect(() => {
    if (!isWanted) return;
    const stop = new AbortController();
    let made: string | undefined;
    const load = async () => {
      const response = await api.call(`/v1/files/${encodeURIComponent(file_id)}/content`, { signal: stop.signal });
      const content = await response.blob();
      if (stop.signal.aborted) return;
      made = URL.createObjectURL(new Blob([content], { type: media_type }));
      setUrl(made);
    };
    // Without it there still is its name.
    load().catch(() => undefined);
    return () => {
      stop.abort();
      if (made !== undefined) URL.revokeObjectURL(made);
    };
  }, [file_id, media_type, isWanted]);
  return url;
}
