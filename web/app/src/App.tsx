/** Which screen it is: nobody signed in yet, at the door, or in the chat. */

import type { Me } from "@weir/client";
import { useCallback, useEffect, useState } from "react";
import { Door } from "./door/Door";
import { SetUp, SetUpNeeded } from "./door/SetUp";
import { SignIn } from "./door/SignIn";
import { Home } from "./Home";
import { Announcer } from "./look/Announcer";
import { Toast } from "./look/Toast";
import { Waiting } from "./look/Waiting";
import { go, takeSetupCode, useRoute } from "./route";
import { api, inWords, isSignedOut } from "./server";

type Visitor = { is: "unknown"; problem?: string } | { is: "first" } | { is: "signed out" } | { is: "signed in"; me: Me };

const AGAIN_AFTER = 3_000;

/** Read before anything else can. */
const setupCode = takeSetupCode();

export function App() {
  const route = useRoute();
  const [visitor, setVisitor] = useState<Visitor>({ is: "unknown" });

  useEffect(() => {
    if (visitor.is !== "unknown") return;
    let isCurrent = true;
    let again: ReturnType<typeof setTimeout> | undefined;
    const ask = () =>
      void whoIsThere().then(
        (found) => isCurrent && setVisitor(found),
        (error: unknown) => {
          if (!isCurrent) return;
          setVisitor({ is: "unknown", problem: inWords(error) });
          again = setTimeout(ask, AGAIN_AFTER);
        },
      );
    ask();
    return () => {
      isCurrent = false;
      clearTimeout(again);
    };
  }, [visitor.is]);

  const enter = useCallback((me: Me) => {
    setVisitor({ is: "signed in", me });
    if (/^\/(setup|sign-in)/.test(location.pathname)) go({ at: "new" }, { replace: true });
  }, []);
  const leave = useCallback(() => setVisitor({ is: "signed out" }), []);

  return (
    <>
      <Announcer />
      <Toast />
      {route.at === "setup" && visitor.is !== "unknown" ? (
        <SetUp code={setupCode} onEnter={enter} />
      ) : visitor.is === "signed in" ? (
        <Home me={visitor.me} route={route} onSignedOut={leave} />
      ) : visitor.is === "first" ? (
        <SetUpNeeded />
      ) : visitor.is === "signed out" ? (
        <SignIn onEnter={enter} />
      ) : (
        visitor.problem && (
          <Door title="One moment">
            <p className="door-lead">{visitor.problem} Trying again.</p>
            <Waiting label="Trying again" />
          </Door>
        )
      )}
    </>
  );
}

async function whoIsThere(): Promise<Visitor> {
  try {
    return { is: "signed in", me: await api.me() };
  } catch (error) {
    if (!isSignedOut(error)) throw error;
  }
  const { setup_needed } = await api.meta();
  return { is: setup_needed ? "first" : "signed out" };
}
