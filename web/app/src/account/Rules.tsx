import type { ApprovalRule } from "@weir/client";
import { complain } from "../look/Toast";
import { Exact } from "../look/Exact";
import { nameOf, useMe } from "../me";
import { Json } from "../tools/Json";
import { api } from "../server";
import { rules } from "./calls";
import { Revoke } from "./Revoke";
import { ago, useLoaded } from "./useLoaded";

/** What is no longer asked about, who said so, and an end to it. */
export function Rules() {
  const me = useMe();
  const { found, problem, reload } = useLoaded(rules);
  return (
    <section className="panel" aria-labelledby="rules">
      <h3 id="rules">Remembered approvals</h3>
      {problem && <p role="alert">{problem}</p>}
      {found?.length === 0 && <p className="panel-note">Every call that needs a yes is asked about.</p>}
      <ul className="entries">
        {found?.map((rule) => (
          <li key={rule.id}>
            <div>
              <strong>
                <code>
                  <Exact text={rule.tool} />
                </code>
              </strong>
              {rule.void && <span className="badge">void: the tool has changed</span>}
              <small>
                {where(rule)}, {rule.match === "exact" ? "these arguments" : "any arguments"} · made by {nameOf(me, rule.made_by)} {ago(rule.made_at)}
                {rule.expires_at == null ? " · until it is revoked" : ` · expires ${ago(rule.expires_at)}`}
              </small>
              {rule.match === "exact" && <Json label="Arguments" text={JSON.stringify(rule.args)} />}
            </div>
            <Revoke name={rule.tool} onRevoke={() => void api.revokeRule(rule.id).then(reload, complain)} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function where({ scope, agent }: ApprovalRule): string {
  switch (scope) {
    case "conversation":
      return "in one conversation";
    case "agent":
      return `for the agent ${agent ?? ""}`;
    case "workspace":
      return "everywhere in the workspace";
  }
}
