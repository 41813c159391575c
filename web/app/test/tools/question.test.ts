import { expect, test } from "vitest";

import { changes } from "../../src/tools/changes.ts";
import { contentOf, defaultsOf, fieldsOf, questionOf } from "../../src/tools/question.ts";

test("what `ask_user` asks is read from whatever a model wrote", () => {
  expect(questionOf({ args: { question: "Which?", choices: ["a", "b", "a", 3], allow_text: false }, args_text: "" } as never)).toEqual({
    question: "Which?",
    choices: ["a", "b", "3"],
    allowsText: false,
    isMultiple: false,
  });
  expect(questionOf({ args: { question: "Which?", choices: ["a"] }, args_text: "" } as never).allowsText).toBe(true);
  expect(questionOf({ args: { question: "Why?", multiple: true }, args_text: "" } as never)).toMatchObject({ allowsText: true, isMultiple: false });
  expect(questionOf({ args_text: "broken {" })).toMatchObject({ question: "broken {", choices: [], allowsText: true });
});

const SCHEMA = {
  type: "object",
  properties: {
    name: { type: "string", title: "Your name" },
    age: { type: "integer" },
    mail: { type: "string", format: "email" },
    colour: { type: "string", enum: ["r", "g"], enumNames: ["red", "green"] },
    sure: { type: "boolean", default: true },
  },
  required: ["name"],
};

test("a flat schema is a form", () => {
  expect(fieldsOf(SCHEMA).map(({ name, label, kind, isRequired }) => [name, label, kind, isRequired])).toEqual([
    ["name", "Your name", "text", true],
    ["age", "age", "number", false],
    ["mail", "mail", "text", false],
    ["colour", "colour", "choice", false],
    ["sure", "sure", "yes or no", false],
  ]);
  expect(defaultsOf(SCHEMA)).toEqual({ name: "", age: "", mail: "", colour: "", sure: true });
});

test("what was filled in is typed as the schema says, and what was left empty is left out", () => {
  expect(contentOf(SCHEMA, { name: "Ada", age: "36", mail: "", colour: "g", sure: false })).toEqual({
    content: { name: "Ada", age: 36, colour: "g", sure: false },
    misfits: [],
  });
  expect(contentOf(SCHEMA, { name: "", age: "1.5" }).misfits).toEqual([
    { pointer: "/name", detail: "is missing" },
    { pointer: "/age", detail: "has to be a whole number" },
  ]);
});

test("only the lines between the first and the last difference have changed", () => {
  expect(changes("a\nb\nc\nd", "a\nx\ny\nd")).toEqual({ before: ["b", "c"], after: ["x", "y"] });
  expect(changes("a\nb", "a\nb")).toEqual({ before: [], after: [] });
  expect(changes("a\na", "a\na\na")).toEqual({ before: [], after: ["a"] });
});
