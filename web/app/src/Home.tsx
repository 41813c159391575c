/** Signed in: the list of conversations on one side, one of them on the other. */

import type { Me } from "@weir/client";
import { useCallback, useEffect, useState } from "react";
import { AccountDialog } from "./account/AccountDialog";
import { ApprovalPage } from "./approvals/ApprovalPage";
import { Inbox } from "./approvals/Inbox";
import { usePending } from "./approvals/usePending";
import { Chat } from "./chat/Chat";
import { NewChat } from "./chat/NewChat";
import { useCatalogue } from "./chat/catalogue";
import { Sidebar } from "./conversations/Sidebar";
import { useConversations } from "./conversations/useConversations";
import { titleOf } from "./conversations/title";
import { OfflineBanner } from "./look/OfflineBanner";
import { MeProvider } from "./me";
import { go, pathOf, type Route } from "./route";
import { NOTHING_ASKED } from "./search/ask";
import { Finder } from "./search/finder";
import { SearchDialog } from "./search/SearchDialog";
import { useSearchKeys } from "./search/SearchField";
import { api } from "./server";
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
  const waiting = usePending(socket, me.user.id);
  const [isOpen, setOpen] = useState(false);
  const [showsAccount, setShowsAccount] = useState(false);
  // What was looked for last stays here until the page goes, and is kept nowhere.
  const [finder] = useState(() => new Finder((query, signal) => api.search(query, signal)));
  const [ask, setAsk] = useState(NOTHING_ASKED);
  const [isSearching, setSearching] = useState(false);
  const [visit, setVisit] = useState(0);

  const close = useCallback(() => setOpen(false), []);
  const place = pathOf(route);
  useEffect(close, [close, place]);
  useEffect(() => {
    if (route.at === "sign-in") go({ at: "new" }, { replace: true });
  }, [route.at]);

  useSearchKeys(useCallback(() => setSearching((isSearching) => !isSearching), []));
  const openFound = useCallback((route: Route) => {
    setSearching(false);
    setVisit((visit) => visit + 1);
    setOpen(false);
    go(route);
  }, []);
  const listed = conversations.items.find(({ id }) => id === current);
  const here = current === undefined ? undefined : { id: current, title: listed ? titleOf(listed) : "" };

  const openList = useCallback(() => setOpen(true), []);
  return (
    <MeProvider value={me}>
      <div className="home" data-list={isOpen ? "open" : "closed"}>
        <a className="skip-link" href="#composer" onClick={skip}>
          Skip to the message box
        </a>
        <Sidebar
          me={me}
          conversations={conversations}
          current={current}
          isInInbox={route.at === "approvals" || route.at === "approval"}
          waiting={waiting}
          isArchive={isArchive}
          isOpen={isOpen}
          onArchive={setArchive}
          onClose={close}
          onSearch={() => setSearching(true)}
          onAccount={() => setShowsAccount(true)}
          onSignedOut={onSignedOut}
        />
        <div className="stage" inert={isOpen && isNarrow()}>
          <OfflineBanner isOffline={isOffline} />
          {route.at === "approvals" ? (
            <Inbox socket={socket} catalogue={catalogue} onOpenList={openList} />
          ) : route.at === "approval" ? (
            <ApprovalPage key={route.id} id={route.id} socket={socket} onOpenList={openList} />
          ) : current === undefined ? (
            <NewChat key="new" me={me} catalogue={catalogue} onOpenList={openList} onCreated={conversations.put} />
          ) : (
            <Chat
              key={current}
              id={current}
              message={route.at === "conversation" ? route.message : undefined}
              visit={visit}
              socket={socket}
              catalogue={catalogue}
              conversations={conversations}
              onOpenList={openList}
            />
          )}
        </div>
        {isSearching && (
          <SearchDialog finder={finder} ask={ask} here={here} catalogue={catalogue} onAsk={setAsk} onOpen={openFound} onClose={() => setSearching(false)} />
        )}
        {showsAccount && <AccountDialog me={me} onClose={() => setShowsAccount(false)} />}
      </div>
    </MeProvider>
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
