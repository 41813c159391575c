/** A browser's storage, as far as it is used. */
export function storage(): Storage {
  const kept = Object.create({
    getItem: (name: string) => kept[name] ?? null,
    setItem: (name: string, value: string) => void (kept[name] = value),
    removeItem: (name: string) => void delete kept[name],
  }) as Storage;
  return kept;
}
