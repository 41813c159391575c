import type { SearchItem } from "@weir/client";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";

import { dayOf, Hit } from "../../src/search/Hit";

const found: SearchItem = {
  conversation: { id: "conv_1", title: "The <b>sky</b>" },
  message_id: "msg_1",
  kind: "message",
  role: "user",
  created_at: "2026-11-21T10:00:00.000Z",
  on_current_path: false,
  snippet: { text: 'blue <img src="//elsewhere">', highlights: [[0, 4]] },
  score: 1,
};
const drawn = (item: SearchItem) => renderToStaticMarkup(<Hit item={item} isFirst={false} onOpen={() => {}} onOthers={() => {}} />);

test("a snippet is text, whatever it says, and its marks are marks", () => {
  const html = drawn(found);
  expect(html).toContain("<mark>blue</mark> &lt;img src=");
  expect(html).not.toContain("<img");
  expect(html).not.toContain("<b>");
  expect(html).toContain("another branch");
  expect(html).toContain('href="/c/conv_1?message=msg_1"');
});

test("a title leads to its conversation", () => {
  const html = drawn({ ...found, kind: "title", message_id: null, snippet: { text: "The sky", highlights: [[4, 7]] } });
  expect(html).toContain('href="/c/conv_1"');
  expect(html).toContain("The <mark>sky</mark>");
  expect(html).not.toContain("another branch");
});

test("more of the same conversation are offered where there are any", () => {
  expect(drawn({ ...found, others: 3 })).toContain("3 more in this conversation");
  expect(drawn({ ...found, others: 0 })).not.toContain("more in this conversation");
});

test("a day says its year only where it is another one", () => {
  const now = new Date(2026, 10, 21, 15);
  expect(dayOf(new Date(2026, 10, 21, 9, 5), now)).toMatch(/9.05/);
  expect(dayOf(new Date(2026, 2, 3), now)).not.toContain("2026");
  expect(dayOf(new Date(2024, 2, 3), now)).toContain("2024");
});
