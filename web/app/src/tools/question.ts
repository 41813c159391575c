/** What `ask_user` asks, read from arguments that a model wrote; and the form of a tool's own question. Pure. */

import type { FoldedCall, JsonSchema } from "@weir/client";
import { misfits, type Misfit } from "./schema";

export interface Asked {
  question: string;
  choices: readonly string[];
  allowsText: boolean;
  isMultiple: boolean;
}

export function questionOf({ args, args_text }: Pick<FoldedCall, "args" | "args_text">): Asked {
  const given: Record<string, unknown> = args ?? {};
  const { question, choices, allow_text, multiple } = given;
  const offered = Array.isArray(choices) ? [...new Set(choices.map((choice) => (typeof choice === "string" ? choice : JSON.stringify(choice))))] : [];
  return {
    question: typeof question === "string" ? question : args_text,
    choices: offered,
    allowsText: offered.length === 0 || allow_text !== false,
    isMultiple: multiple === true && offered.length > 0,
  };
}

export type Field = { name: string; label: string; hint: string | undefined; isRequired: boolean } & (
  | { kind: "text"; input: "text" | "email" | "url" | "date" | "datetime-local" }
  | { kind: "number"; step: "any" | 1 }
  | { kind: "yes or no" }
  | { kind: "choice"; choices: readonly { value: string; label: string }[] }
);

/** One for each property of a flat schema, as MCP's elicitation allows them. */
export function fieldsOf({ properties = {}, required = [] }: JsonSchema): Field[] {
  return Object.entries(properties).map(([name, schema]): Field => {
    const about = { name, label: schema.title ?? name, hint: schema.description, isRequired: required.includes(name) };
    const choices = schema.enum?.filter((choice) => typeof choice === "string");
    if (choices) {
      const names = Array.isArray(schema["enumNames"]) ? schema["enumNames"].map(String) : [];
      return { ...about, kind: "choice", choices: choices.map((value, at) => ({ value, label: names[at] ?? value })) };
    }
    switch (schema.type) {
      case "boolean":
        return { ...about, kind: "yes or no" };
      case "number":
      case "integer":
        return { ...about, kind: "number", step: schema.type === "integer" ? 1 : "any" };
      default:
        return { ...about, kind: "text", input: INPUTS[String(schema["format"])] ?? "text" };
    }
  });
}

const INPUTS: Record<string, "email" | "url" | "date" | "datetime-local"> = { email: "email", uri: "url", date: "date", "date-time": "datetime-local" };

export type Filled = Readonly<Record<string, string | boolean>>;

/** As the fields begin. */
export function defaultsOf(schema: JsonSchema): Filled {
  return Object.fromEntries(
    Object.entries(schema.properties ?? {}).map(([name, { type, default: given }]) => [
      name,
      type === "boolean" ? given === true : given === undefined ? "" : String(given),
    ]),
  );
}

function typed(field: Field, value: string | boolean): unknown {
  if (field.kind === "number") return Number(value);
  // The browser gives the time of its own place.
  if (field.kind === "text" && field.input === "datetime-local") return new Date(String(value)).toISOString();
  return value;
}

/** What was filled in, as the schema types it, or where it does not fit. What was left empty is left out. */
export function contentOf(schema: JsonSchema, filled: Filled): { content: Record<string, unknown>; misfits: Misfit[] } {
  const content: Record<string, unknown> = {};
  for (const field of fieldsOf(schema)) {
    const value = filled[field.name];
    if (value === undefined || value === "") continue;
    content[field.name] = typed(field, value);
  }
  return { content, misfits: misfits(schema, content) };
}
