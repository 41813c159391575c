/** The files that go with the next message: on their way, there, or not taken. What is there survives a reload. */

import { keep, recall } from "../keep";
import { inWords } from "../server";
import type { StoredFile, Upload } from "./upload";

export interface Attachment {
  /** Of this list alone. */
  key: number;
  name: string;
  size: number;
  mediaType: string;
  state: { is: "sending"; fraction: number } | { is: "there"; id: string } | { is: "failed"; problem: string };
  /** The file itself, where it was chosen on this page. */
  file?: File;
}

export class Attachments {
  items: readonly Attachment[];
  private nextKey = 1;
  private readonly running = new Map<number, AbortController>();
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly place: string,
    private readonly upload: Upload,
  ) {
    this.items = kept(place).map(({ id, name, size, media_type }) => ({
      key: this.nextKey++,
      name,
      size,
      mediaType: media_type,
      state: { is: "there", id },
    }));
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  add(files: Iterable<File>): void {
    for (const file of files) {
      const key = this.nextKey++;
      const { name, size, type } = file;
      this.change([...this.items, { key, name, size, mediaType: type, state: { is: "sending", fraction: 0 }, file }]);
      void this.send(key, file);
    }
  }

  retry(key: number): void {
    const file = this.items.find((item) => item.key === key)?.file;
    if (!file) return;
    this.set(key, { is: "sending", fraction: 0 });
    void this.send(key, file);
  }

  remove(key: number): void {
    this.running.get(key)?.abort();
    this.change(this.items.filter((item) => item.key !== key));
  }

  /** They went with a message. */
  clear(): void {
    for (const running of this.running.values()) running.abort();
    this.change([]);
  }

  /** Of those that are there. */
  get ids(): string[] {
    return this.items.flatMap(({ state }) => (state.is === "there" ? [state.id] : []));
  }

  /** One is on its way, or was not taken: the message is not whole yet. */
  get isComplete(): boolean {
    return this.items.every(({ state }) => state.is === "there");
  }

  private async send(key: number, file: File): Promise<void> {
    const stop = new AbortController();
    this.running.set(key, stop);
    try {
      const stored = await this.upload(file, (fraction) => this.set(key, { is: "sending", fraction }), stop.signal);
      this.change(
        this.items.map((item) =>
          item.key === key ? { ...item, name: stored.name, size: stored.size, mediaType: stored.media_type, state: { is: "there", id: stored.id } } : item,
        ),
      );
    } catch (error) {
      if (!stop.signal.aborted) this.set(key, { is: "failed", problem: inWords(error) });
    } finally {
      this.running.delete(key);
    }
  }

  private set(key: number, state: Attachment["state"]): void {
    this.change(this.items.map((item) => (item.key === key ? { ...item, state } : item)));
  }

  private change(items: readonly Attachment[]): void {
    this.items = items;
    const there = items.flatMap(({ name, size, mediaType, state }): StoredFile[] =>
      state.is === "there" ? [{ id: state.id, name, size, media_type: mediaType }] : [],
    );
    keep(`weir.files.${this.place}`, there.length === 0 ? null : JSON.stringify(there));
    for (const listener of this.listeners) listener();
  }
}

function kept(place: string): StoredFile[] {
  try {
    const found: unknown = JSON.parse(recall(`weir.files.${place}`) ?? "[]");
    return Array.isArray(found) ? (found as StoredFile[]) : [];
  } catch {
    return [];
  }
}

/** `12.3 MB`. */
export function inBytes(size: number): string {
  const units = ["bytes", "KB", "MB", "GB"];
  const power = size < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(size) / 3));
  const amount = size / 1000 ** power;
  return `${amount.toLocaleString(undefined, { maximumFractionDigits: power === 0 || amount >= 100 ? 0 : 1 })} ${units[power] ?? ""}`;
}
