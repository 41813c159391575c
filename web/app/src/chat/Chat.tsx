/** A conversation: what was said, what waits, and where one writes. */

import type { Socket } from "@weir/client";
import { useEffect, useRef, useState } from "react";
import { titleOf } from "../conversations/title";
import type { Conversations } from "../conversations/useConversations";
import { complain } from "../look/Toast";
import { Waiting } from "../look/Waiting";
import { go } from "../route";
import { api } from "../server";
import { BranchesProvider, useBranchesOf } from "./branches";
import { modelsOf, offered, useChoice, type Catalogue } from "./catalogue";
import { ChatHead } from "./ChatHead";
import { Composer } from "./Composer";
import { exchanges, liveTurn, type Exchange } from "./exchange";
import { ModelPicker } from "./ModelPicker";
import { Queue } from "./Queue";
import { Transcript } from "./Transcript";
import { useAnswerAnnounced } from "./useAnswerAnnounced";
import { useConversation, type View } from "./useConversation";

interface ChatProps {
  id: string;
  socket: Socket | undefined;
  catalogue: Catalogue;
  conversations: Conversations;
  onOpenList(): void;
}

export function Chat(props: ChatProps) {
  const { opened, loadOlder } = useConversation(props.id, props.socket);
  const listed = props.conversations.items.find(({ id }) => id === props.id);
  const title = opened.is === "open" ? titleOf({ id: props.id, title: opened.view.title }) : listed ? titleOf(listed) : "";
  useEffect(() => {
    document.title = title ? `${title} · Weir` : "Weir";
  }, [title]);

  if (opened.is === "open" && !opened.view.isDeleted) {
    return <OpenChat {...props} title={title} view={opened.view} loadOlder={loadOlder} />;
  }
  const isGone = opened.is !== "loading";
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
            {opened.problem && <p>{opened.problem} Trying again.</p>}
          </>
        )}
      </div>
    </main>
  );
}

interface OpenChatProps extends ChatProps {
  title: string;
  view: View;
  loadOlder(): Promise<void>;
}

function OpenChat({ id, title, view, loadOlder, catalogue, conversations, onOpenList }: OpenChatProps) {
  const [choice, setChoice] = useChoice(id);
  const listed = conversations.items.find((conversation) => conversation.id === id);
  const agent = listed?.agent ?? catalogue.agents[0]?.id ?? "default";
  const [sends, setSends] = useState(0);
  const shown = useExchanges(view);
  const turn = liveTurn(view.path, view.turns);
  const branches = useBranchesOf(id);
  useAnswerAnnounced(shown, turn !== undefined);

  const { model, effort } = offered(choice, modelsOf(catalogue, agent));
  const send = async (text: string, key: string) => {
    const asked = { text, ...(model ? { model } : {}), ...(effort ? { settings: { reasoning_effort: effort } } : {}) };
    await api.send(id, asked, key);
    setSends((sends) => sends + 1);
  };
  const changeAgent = (agent: string) => void api.update(id, { agent }).then(conversations.put, complain);
  const stop = () => turn && void api.cancel(turn.id).catch(complain);

  return (
    <main className="chat">
      <ChatHead title={title} onOpenList={onOpenList} />
      <BranchesProvider value={branches}>
        <Transcript exchanges={shown} turns={view.turns} isBusy={turn !== undefined} sends={sends} hasOlder={view.hasOlder} loadOlder={loadOlder} />
      </BranchesProvider>
      <div className="chat-foot">
        <Queue conversationId={id} queue={view.queue} />
        <Composer place={id} isBusy={turn !== undefined} way={[model, effort]} onSend={send} onStop={stop}>
          <ModelPicker catalogue={catalogue} agent={agent} choice={choice} onAgent={changeAgent} onChoice={setChoice} />
        </Composer>
      </div>
    </main>
  );
}

function useExchanges({ path }: View): readonly Exchange[] {
  const shown = useRef<readonly Exchange[]>([]);
  shown.current = exchanges(path, shown.current);
  return shown.current;
}
