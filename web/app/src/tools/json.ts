/** JSON for people: laid out from its own text, so that no digit, order or repetition is lost on the way. Pure. */

export interface LaidOut {
  text: string;
  /** Names that stand twice in one object: only the last one counts. */
  repeated: readonly string[];
}

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** `undefined` where it is not JSON. */
export function laidOut(json: string): LaidOut | undefined {
  if (!isJson(json)) return undefined;
  const tokens = json.match(TOKENS) ?? [];
  const repeated: string[] = [];
  /** The names of each object that is open; `undefined` for an array. */
  const open: (Set<string> | undefined)[] = [];
  let text = "";
  tokens.forEach((token, at) => {
    const line = (depth: number) => `\n${"  ".repeat(depth)}`;
    switch (token) {
      case "{":
      case "[": {
        open.push(token === "{" ? new Set() : undefined);
        text += isClosing(tokens[at + 1]) ? token : token + line(open.length);
        break;
      }
      case "}":
      case "]":
        open.pop();
        text += isOpening(tokens[at - 1]) ? token : line(open.length) + token;
        break;
      case ",":
        text += token + line(open.length);
        break;
      case ":":
        text += ": ";
        break;
      default: {
        const shown = token.startsWith('"') ? JSON.stringify(JSON.parse(token)) : token;
        const names = open.at(-1);
        if (names && tokens[at + 1] === ":") {
          if (names.has(shown)) repeated.push(shown);
          names.add(shown);
        }
        text += shown;
      }
    }
  });
  return { text, repeated };
}

/** What is wrong with a text that a person writes, or what it says. */
export function parseJson(text: string): { value: unknown } | { problem: string } {
  try {
    const value: unknown = JSON.parse(text);
    const inexact = text.replace(/"(?:[^"\\]|\\.)*"/g, "").match(/-?\d[\d.eE+-]*/g)?.find((number) => !isExact(number));
    return inexact === undefined ? { value } : { problem: `${inexact} has more digits than can be sent exactly` };
  } catch (error) {
    return { problem: error instanceof Error ? `not JSON: ${error.message}` : "not JSON" };
  }
}

/** Digits that a double does not hold. */
function isExact(number: string): boolean {
  const digits = number.replace(/[eE].*/, "").replace(/[-.]/g, "").replace(/^0+/, "").replace(/0+$/, "");
  return digits.length <= 15 || String(Number(number)) === number;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function isOpening(token: string | undefined): boolean {
  return token === "{" || token === "[";
}

function isClosing(token: string | undefined): boolean {
  return token === "}" || token === "]";
}
