import { expect, test } from "vitest";

import { laidOut, parseJson } from "../../src/tools/json.ts";

test("JSON is laid out from its own text: no digit, order or repetition is lost", () => {
  expect(laidOut('{"b":1,"a":[1,{"c":[]}],"n":12345678901234567890.10}')?.text).toBe(
    '{\n  "b": 1,\n  "a": [\n    1,\n    {\n      "c": []\n    }\n  ],\n  "n": 12345678901234567890.10\n}',
  );
  expect(laidOut("{}")?.text).toBe("{}");
  expect(laidOut("[ ]")?.text).toBe("[]");
});

test("escapes that only hide what a text says are written out; those that name what cannot be seen are not lost", () => {
  expect(laidOut('{"p\\u0061th":"\\u002Fetc"}')?.text).toBe('{\n  "path": "/etc"\n}');
  expect(laidOut('"a\\u202eb"')?.text).toBe('"a\u202eb"');
  expect(laidOut('"tab\\t \\\\ \\""')?.text).toBe('"tab\\t \\\\ \\""');
});

test("a name that stands twice is said, also when it is disguised", () => {
  expect(laidOut('{"to":"a","t\\u006f":"b","x":{"to":1}}')?.repeated).toEqual(['"to"']);
  expect(laidOut('[{"a":1},{"a":2}]')?.repeated).toEqual([]);
});

test("braces and commas inside of texts are text", () => {
  expect(laidOut('{"a":"{,}:[\\"]"}')?.text).toBe('{\n  "a": "{,}:[\\"]"\n}');
});

test("what is not JSON is not laid out", () => {
  for (const text of ["", "{", "{'a':1}", "hello", "{} {}"]) expect(laidOut(text)).toBeUndefined();
});

test("what a person writes is parsed, or it is said what is wrong", () => {
  expect(parseJson('{"a":1}')).toEqual({ value: { a: 1 } });
  expect(parseJson('{"a":0.1,"b":-3e10,"c":1000000000000000000000}')).toHaveProperty("value");
  expect(parseJson('{"a"')).toHaveProperty("problem");
  expect(parseJson('{"order": 12345678901234567890}')).toEqual({ problem: "12345678901234567890 has more digits than can be sent exactly" });
});
