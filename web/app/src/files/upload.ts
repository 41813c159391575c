/** One file to the server, with how far it has come. `fetch` says nothing of that. */

import { UnreachableError, WeirError, type Problem } from "@weir/client";

export interface StoredFile {
  id: string;
  name: string;
  media_type: string;
  size: number;
}

export type Upload = (file: File, onProgress: (fraction: number) => void, signal: AbortSignal) => Promise<StoredFile>;

export const upload: Upload = (file, onProgress, signal) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/v1/files?name=${encodeURIComponent(file.name)}`);
    request.responseType = "json";
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    request.onload = () => {
      if (request.status === 201) resolve(request.response as StoredFile);
      else reject(new WeirError(problemOf(request)));
    };
    request.onerror = () => reject(new UnreachableError(undefined));
    request.onabort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });

function problemOf({ status, response }: XMLHttpRequest): Problem {
  const said: unknown = response;
  if (typeof said === "object" && said !== null && "detail" in said) return said as Problem;
  return { type: "unknown", title: "Something went wrong", status, detail: `the server answered ${status}` };
}
