/** The agent that asks, behind those that it works for. */

import type { Approval } from "@weir/client";
import { Exact } from "../look/Exact";

export function AskingAgent({ context: { agent, parents = [] } }: { context: Approval["context"] }) {
  return (
    <>
      {parents.map(({ call_id, agent, conversation_title }) => (
        <span key={call_id}>
          <Exact text={agent} />
          {conversation_title != null && (
            <>
              {" (“"}
              <Exact text={conversation_title} />
              {"”)"}
            </>
          )}
          {" › "}
        </span>
      ))}
      <b>
        <Exact text={agent} />
      </b>
    </>
  );
}
