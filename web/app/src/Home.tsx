/** Signed in: the list of conversations on one side, one of them on the other. */

import type { Me } from "@weir/client";
import { useCallback, useEffect, useState } from "react";
import { AccountDialog } from "./account/AccountDialog";
import { Chat } from "./chat/Chat";
import { NewChat } from "./chat/NewChat";
import { useCatalogue } from "./chat/catalogue";
import { Sidebar } from "./conversations/Sidebar";
import { useConversations } from "./conversations/useConversations";
import { OfflineBanner } from "./look/OfflineBanner";
import { go, type Route } from "./route";
import { useSocket } from "./useSocket";

interface HomeProps {
  me: Me;
  route: Route;
  onSignedOut(): void;
}

export function Home({ me, route, onSignedOut }: HomeProps) {
  const { socket, isOffline } = useSocket(me.user.id, onSignedOut);
  const [isArchive, setArchive] = useState(false);
  const current = route.at === "conversation" ? route.id : undefined;
  const conversations = useConversations(socket, isArchive, current);
  const catalogue = useCatalogue();
  const [isOpen, setOpen] = useState(false);
  const [showsAccount, setShowsAccount] = useState(false);

  const close = useCallback(() => setOpen(false), []);
  useEffect(close, [close, current]);
  useEffect(() => {
    if (route.at === "sign-in") go({ at: "new" }, { replace: true });
  }, [route.at]);

  const openList = useCallback(() => setOpen(true), []);
  return (
    <div className="home" data-list={isOpen ? "open" : "closed"}>
      <a className="skip-link" href="#composer" onClick={skip}>
        Skip to the message box
      </a>
      <Sidebar
        me={me}
        conversations={conversations}
        current={current}
        isArchive={isArchive}
        isOpen={isOpen}
        onArchive={setArchive}
        onClose={close}
        onAccount={() => setShowsAccount(true)}
        onSignedOut={onSignedOut}
      />
      <div className="stage" inert={isOpen && isNarrow()}>
        <OfflineBanner isOffline={isOffline} />
        {current === undefined ? (
          <NewChat key="new" me={me} catalogue={catalogue} onOpenList={openList} onCreated={conversations.put} />
        ) : (
          <Chat key={current} id={current} socket={socket} catalogue={catalogue} conversations={conversations} onOpenList={openList} />
        )}
      </div>
      {showsAccount && <AccountDialog me={me} onClose={() => setShowsAccount(false)} />}
    </div>
  );
}

/** The address stays as it is: it says which conversation this is. */
function skip(event: { preventDefault(): void }): void {
  event.preventDefault();
  document.getElementById("composer")?.focus();
}

function isNarrow(): boolean {
  return matchMedia("(max-width: 760px)").matches;
}
