/** Whether a value fits a JSON Schema, in the small: so much that a slip is seen before the server says so. Pure. */

import type { JsonSchema } from "@weir/client";

export interface Misfit {
  /** RFC 6901. */
  pointer: string;
  detail: string;
}

/** What is not understood here is left to the server. */
export function misfits(schema: JsonSchema, value: unknown, pointer = ""): Misfit[] {
  const types = [schema.type ?? []].flat();
  if (types.length > 0 && !types.some((type) => isOfType(value, type))) {
    return [{ pointer, detail: `has to be ${types.map((type) => ARTICLES[type] ?? type).join(" or ")}` }];
  }
  if (schema.enum && !schema.enum.some((choice) => isSame(choice, value))) {
    return [{ pointer, detail: `has to be one of ${schema.enum.map((choice) => JSON.stringify(choice)).join(", ")}` }];
  }
  if (schema.const !== undefined && !isSame(schema.const, value)) {
    return [{ pointer, detail: `has to be ${JSON.stringify(schema.const)}` }];
  }
  if (Array.isArray(value)) {
    const { items } = schema;
    return items ? value.flatMap((item, at) => misfits(items, item, `${pointer}/${at}`)) : [];
  }
  return isObject(value) ? ofObject(schema, value, pointer) : [];
}

function ofObject(schema: JsonSchema, value: Record<string, unknown>, pointer: string): Misfit[] {
  const { properties = {}, required = [], additionalProperties = true } = schema;
  const missing = required.filter((name) => !Object.hasOwn(value, name)).map((name) => ({ pointer: below(pointer, name), detail: "is missing" }));
  const wrong = Object.entries(value).flatMap(([name, inner]) => {
    const at = below(pointer, name);
    const own = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
    if (own === false) return [{ pointer: at, detail: "is not known here" }];
    return typeof own === "object" ? misfits(own, inner, at) : [];
  });
  return [...missing, ...wrong];
}

function below(pointer: string, name: string): string {
  return `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

const ARTICLES: Record<string, string> = {
  object: "an object",
  array: "a list",
  string: "a text",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  null: "null",
};

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case "object":
      return isObject(value);
    case "array":
      return Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    case "null":
      return value === null;
    case "string":
    case "number":
    case "boolean":
      return typeof value === type;
    default:
      return true;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
