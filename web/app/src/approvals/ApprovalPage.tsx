/** One approval on a page of its own, with what one needs to know where the conversation is not one's own to read. */

import type { Approval, Socket } from "@weir/client";
import { ArrowLeft } from "lucide-react";
import { useEffect, useState } from "react";
import { ChatHead } from "../chat/ChatHead";
import { Exact } from "../look/Exact";
import { PageLink } from "../look/PageLink";
import { setPageTitle } from "../look/pageTitle";
import { Waiting } from "../look/Waiting";
import { api } from "../server";
import { Json } from "../tools/Json";
import { ApprovalPanel } from "./ApprovalPanel";
import { Outcome } from "./Outcome";
import { useApproval } from "./useApproval";

interface ApprovalPageProps {
  id: string;
  socket: Socket | undefined;
  onOpenList(): void;
}

export function ApprovalPage({ id, socket, onOpenList }: ApprovalPageProps) {
  const [found, put] = useApproval(id, socket);
  const tool = found.is === "there" ? found.approval.tool : undefined;
  useEffect(() => setPageTitle(tool === undefined ? "Approval" : `May ${tool} run?`), [tool]);
  return (
    <main className="chat">
      <ChatHead title="Approval" onOpenList={onOpenList} />
      <div className="inbox" tabIndex={-1}>
        <p>
          <PageLink to={{ at: "approvals" }}>
            <ArrowLeft aria-hidden /> All approvals
          </PageLink>
        </p>
        {found.is === "there" ? (
          <There approval={found.approval} onNews={put} />
        ) : found.is === "gone" ? (
          <p className="inbox-empty">There is no such approval, or it is not yours to decide.</p>
        ) : (
          <p className="inbox-empty">
            <Waiting label="Loading the approval" />
            {found.problem && <> {found.problem} Trying again.</>}
          </p>
        )}
      </div>
    </main>
  );
}

function There({ approval, onNews }: { approval: Approval; onNews(approval: Approval): void }) {
  const { context, conversation_id } = approval;
  const isReadable = useReadable(conversation_id);
  return (
    <>
      {approval.state === "pending" ? (
        <ApprovalPanel approval={approval} onNews={onNews} />
      ) : (
        <section className="approval" aria-label={`${approval.tool}: ${approval.state}`}>
          <p className="approval-title">
            <code>
              <Exact text={approval.tool} />
            </code>
          </p>
          <div role="status">
            <Outcome approval={approval} />
          </div>
          <Json label="Arguments" text={approval.votes?.findLast(({ changed }) => changed)?.changed?.args_text ?? approval.args_text} />
        </section>
      )}
      <section className="recent" aria-labelledby="recent">
        <h2 id="recent">
          {context.conversation_title ? <Exact text={context.conversation_title} /> : "What was said before"}
          {isReadable && <PageLink to={{ at: "conversation", id: conversation_id }}>Open the conversation</PageLink>}
        </h2>
        {context.recent.map(({ message_id, role, text }) => (
          <div key={message_id} data-role={role}>
            <small>{role === "user" ? "Person" : "Agent"}</small>
            <p>
              <Exact text={text} />
            </p>
          </div>
        ))}
        {context.recent.length === 0 && <p className="call-note">Nothing.</p>}
      </section>
    </>
  );
}

/** Deciding is not reading: the way there is shown to those alone who may go it. */
function useReadable(conversationId: string): boolean {
  const [isReadable, setReadable] = useState(false);
  useEffect(() => {
    let isCurrent = true;
    api.conversation(conversationId).then(
      () => isCurrent && setReadable(true),
      () => undefined,
    );
    return () => {
      isCurrent = false;
    };
  }, [conversationId]);
  return isReadable;
}
