/** A text as it is, for those who decide about it: what cannot be seen, or looks like something else, is named. Pure. */

export interface Piece {
  /** `mixed` is a word of several alphabets, or of letters that only look like plain ones. */
  kind: "plain" | "hidden" | "mixed" | "rtl";
  text: string;
}

/** Controls but tab and line feed, marks of direction, zero-width and invisible ones, odd spaces, selectors, tags. */
const HIDDEN =
  "[\\u0000-\\u0008\\u000B-\\u001F\\u007F-\\u00A0\\u00AD\\u034F\\u061C\\u115F\\u1160\\u1680\\u17B4\\u17B5\\u180B-\\u180F" +
  "\\u2000-\\u200F\\u2028-\\u202F\\u205F-\\u206F\\u2800\\u3000\\u3164\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF9-\\uFFFB" +
  "\\u{E0000}-\\u{E0FFF}\\p{Co}\\p{Cs}]";
/** Some of what is hidden counts as a letter, or as a mark of one. */
const WORD = `(?:(?!${HIDDEN})[\\p{L}\\p{M}\\p{N}_.@-])+`;
const PIECES = new RegExp(`(${HIDDEN}+)|${WORD}`, "gu");
const NOTHING_SPECIAL = /^[\t\n\u0020-\u007E]*$/;

/** Those whose letters can pass for each other's. Japanese and Korean mix theirs as they should. */
const ALPHABETS = ["Latin", "Greek", "Cyrillic", "Armenian", "Georgian", "Cherokee", "Coptic", "Lisu", "Hebrew", "Arabic"].map(
  (script) => new RegExp(`\\p{Script=${script}}`, "u"),
);
const RTL = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC]|[\u{10800}-\u{10FFF}]|[\u{1E800}-\u{1EFFF}]/u;

export function pieces(text: string): Piece[] {
  if (NOTHING_SPECIAL.test(text)) return text === "" ? [] : [{ kind: "plain", text }];
  const found: Piece[] = [];
  const add = (kind: Piece["kind"], text: string) => {
    const last = found.at(-1);
    if (last?.kind === kind && kind === "plain") last.text += text;
    else if (text !== "") found.push({ kind, text });
  };
  let from = 0;
  for (const { 0: match, 1: hidden, index } of text.matchAll(PIECES)) {
    add("plain", text.slice(from, index));
    add(hidden === undefined ? kindOf(match) : "hidden", match);
    from = index + match.length;
  }
  add("plain", text.slice(from));
  return found;
}

function kindOf(word: string): Piece["kind"] {
  if (NOTHING_SPECIAL.test(word)) return "plain";
  if (ALPHABETS.filter((alphabet) => alphabet.test(word)).length > 1 || hasDisguise(word)) return "mixed";
  return RTL.test(word) ? "rtl" : "plain";
}

/** Full-width, mathematical and the like: another character, the same letter. */
function hasDisguise(word: string): boolean {
  return [...word].some((character) => character > "\u007F" && /^[\x21-\x7E]+$/.test(character.normalize("NFKC")));
}

/** `⟨U+202E⟩` for each of them. */
export function named(hidden: string): string {
  return [...hidden].map((character) => `⟨${codeOf(character)}⟩`).join("");
}

/** What they are, in words, as far as people know them. */
export function describe(hidden: string): string {
  return [...hidden].map((character) => WORDS[character] ?? codeOf(character)).join(", ");
}

function codeOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

const WORDS: Record<string, string> = {
  "\u0000": "null",
  "\r": "carriage return",
  "\u001B": "escape",
  "\u00A0": "no-break space",
  "\u00AD": "soft hyphen",
  "\u200B": "zero-width space",
  "\u200C": "zero-width non-joiner",
  "\u200D": "zero-width joiner",
  "\u200E": "left-to-right mark",
  "\u200F": "right-to-left mark",
  "\u2028": "line separator",
  "\u2029": "paragraph separator",
  "\u202A": "left-to-right embedding",
  "\u202B": "right-to-left embedding",
  "\u202C": "end of embedding",
  "\u202D": "left-to-right override",
  "\u202E": "right-to-left override",
  "\u2066": "left-to-right isolate",
  "\u2067": "right-to-left isolate",
  "\u2068": "first-strong isolate",
  "\u2069": "end of isolate",
  "\uFEFF": "byte order mark",
};

/** `102,400 characters (106,211 bytes)`. */
export function size(text: string): string {
  const characters = [...text].length;
  const bytes = new TextEncoder().encode(text).length;
  const words = `${characters.toLocaleString()} ${characters === 1 ? "character" : "characters"}`;
  return bytes === characters ? words : `${words} (${bytes.toLocaleString()} bytes)`;
}
