import type { Approval } from "@weir/client";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";

import { AskingAgent } from "../../src/approvals/AskingAgent.tsx";

function drawn(context: object): string {
  return renderToStaticMarkup(<AskingAgent context={context as Approval["context"]} />).replace(/<[^>]*>/g, "");
}

test("an agent that works for others is shown behind them, with where they were asked", () => {
  const parents = [
    { call_id: "call_1", conversation_id: "conv_1", agent: "default", conversation_title: "A \u202Etrip" },
    { call_id: "call_2", conversation_id: "conv_2", agent: "planner" },
  ];
  expect(drawn({ agent: "booker", parents })).toBe("default (“A ⟨U+202E⟩trip”) › planner › booker");
  expect(drawn({ agent: "default" })).toBe("default");
});
