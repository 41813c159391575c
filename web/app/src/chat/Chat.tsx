/** A conversation: what was said, what waits, and where one writes. */

import type { Socket } from "@weir/client";
import { useEffect, useMemo, useRef, useState } from "react";
import { titleOf } from "../conversations/title";
import type { Conversations } from "../conversations/useConversations";
import { setPageTitle } from "../look/pageTitle";
import { complain } from "../look/Toast";
import { Waiting } from "../look/Waiting";
import { go, leaveMessage } from "../route";
import { api } from "../server";
import { BranchNote, MissingNote } from "./BranchNote";
import { BranchesProvider, useBranchesOf } from "./branches";
import { modelsOf, offered, useChoice, type Catalogue } from "./catalogue";
import { ChatHead } from "./ChatHead";
import { Composer } from "./Composer";
import { exchanges, liveTurn, type Exchange } from "./exchange";
import { ModelPicker } from "./ModelPicker";
import { Queue } from "./Queue";
import { messageOf, type Said } from "./said";
import { Transcript } from "./Transcript";
import { useAnswerAnnounced } from "./useAnswerAnnounced";
import { useConversation, type View } from "./useConversation";
import type { Sight } from "./useThrough";

interface ChatProps {
  id: string;
  /** It is shown on its branch, whichever is the current one. */
  message: string | undefined;
  /** Another one takes one to the message again. */
  visit: number;
  socket: Socket | undefined;
  catalogue: Catalogue;
  conversations: Conversations;
  onOpenList(): void;
}

export function Chat(props: ChatProps) {
  const { opened, sight, loadOlder } = useConversation(props.id, props.socket, props.message);
  const wasShown = useRef(false);
  const listed = props.conversations.items.find(({ id }) => id === props.id);
  const title = opened.is === "open" ? titleOf({ id: props.id, title: opened.view.title }) : listed ? titleOf(listed) : "";
  useEffect(() => setPageTitle(title), [title]);

  // Where one comes by a link, the end of another branch is not shown on the way.
  if (opened.is === "open" && !opened.view.isDeleted && (sight.is !== "looking" || wasShown.current)) {
    wasShown.current = true;
    return <OpenChat {...props} title={title} view={opened.view} sight={sight} loadOlder={loadOlder} />;
  }
  const isGone = opened.is === "gone" || (opened.is === "open" && opened.view.isDeleted);
  return (
    <main className="chat">
      <ChatHead title={title} onOpenList={props.onOpenList} />
      <div className="chat-blank">
        {isGone ? (
          <>
            <p>{opened.is === "gone" ? "There is no such conversation here." : "This conversation was deleted."}</p>
            <button type="button" className="button" onClick={() => go({ at: "new" }, { replace: true })}>
              Start a new one
            </button>
          </>
        ) : (
          <>
            <Waiting label="Loading the conversation" />
            {opened.is === "loading" && opened.problem && <p>{opened.problem} Trying again.</p>}
          </>
        )}
      </div>
    </main>
  );
}

interface OpenChatProps extends ChatProps {
  title: string;
  view: View;
  sight: Sight;
  loadOlder(): Promise<void>;
}

function OpenChat({ id, message, visit, title, view, sight, loadOlder, catalogue, conversations, onOpenList }: OpenChatProps) {
  const [choice, setChoice] = useChoice(id);
  const listed = conversations.items.find((conversation) => conversation.id === id);
  const agent = listed?.agent ?? catalogue.agents[0]?.id ?? "default";
  const [sends, setSends] = useState(0);
  const isBeside = sight.is === "beside";
  const { path, hasOlder } = isBeside ? sight : view;
  const shown = useExchanges(path);
  const turn = liveTurn(path, view.turns);
  const branches = useBranchesOf(id, isBeside);
  const isReached = sight.is === "current" || (isBeside && sight.isReached);
  const target = useMemo(() => (message !== undefined && isReached ? { id: message, visit } : undefined), [message, visit, isReached]);
  useAnswerAnnounced(shown, turn !== undefined);

  const { model, effort } = offered(choice, modelsOf(catalogue, agent));
  const send = async (said: Said, key: string) => {
    // While people are asked something, the server wants to know that waiting is what is meant.
    const on_busy = turn?.state === "waiting" ? ({ on_busy: "queue" } as const) : {};
    const asked = { ...messageOf(said), ...on_busy, ...(model ? { model } : {}), ...(effort ? { settings: { reasoning_effort: effort } } : {}) };
    await api.send(id, asked, key);
    leaveMessage(id);
    setSends((sends) => sends + 1);
  };
  const changeAgent = (agent: string) => void api.update(id, { agent }).then(conversations.put, complain);
  const goOn = () => message && void api.setHead(id, message, true).catch(complain);
  const stop = () => turn && void api.cancel(turn.id).catch(complain);

  return (
    <main className="chat">
      <ChatHead title={title} onOpenList={onOpenList} />
      <BranchesProvider value={branches}>
        <Transcript
          key={isBeside ? "beside" : "current"}
          exchanges={shown}
          turns={view.turns}
          isBusy={turn !== undefined}
          sends={sends}
          target={target}
          hasOlder={hasOlder}
          loadOlder={loadOlder}
        />
      </BranchesProvider>
      <div className="chat-foot">
        {isBeside ? (
          <BranchNote conversationId={id} onContinue={goOn} />
        ) : (
          <>
            {sight.is === "missing" && <MissingNote conversationId={id} />}
            <Queue conversationId={id} queue={view.queue} />
            <Composer place={id} isBusy={turn !== undefined} way={[model, effort]} takesFiles={catalogue.takesFiles} onSend={send} onStop={stop}>
              <ModelPicker catalogue={catalogue} agent={agent} choice={choice} onAgent={changeAgent} onChoice={setChoice} />
            </Composer>
          </>
        )}
      </div>
    </main>
  );
}

function useExchanges(path: View["path"]): readonly Exchange[] {
  const shown = useRef<readonly Exchange[]>([]);
  shown.current = exchanges(path, shown.current);
  return shown.current;
}
