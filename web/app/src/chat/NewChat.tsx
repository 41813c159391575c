/** A conversation that does not exist yet: the first message makes it. */

import type { Agent, Conversation, Me } from "@weir/client";
import { useEffect, useState } from "react";
import { rememberBeginning } from "../conversations/title";
import { Logo } from "../look/Logo";
import { setPageTitle } from "../look/pageTitle";
import { go } from "../route";
import { api } from "../server";
import { modelsOf, offered, useChoice, type Catalogue } from "./catalogue";
import { ChatHead } from "./ChatHead";
import { Composer } from "./Composer";
import { ModelPicker } from "./ModelPicker";
import { messageOf, type Said } from "./said";

/** What the demo model understands; some of it with a tool. */
const DEMO_SUGGESTIONS = [
  { text: "Show me what you can do" },
  { text: "count to 100" },
  { text: "what is 12*7", tool: "calculator" },
  { text: "delete the file notes.txt", tool: "files.delete" },
  { text: "count to 500" },
];

interface NewChatProps {
  me: Me;
  catalogue: Catalogue;
  onOpenList(): void;
  onCreated(conversation: Conversation): void;
}

export function NewChat({ me, catalogue, onOpenList, onCreated }: NewChatProps) {
  const place = `new.${me.user.id}`;
  const [choice, setChoice] = useChoice(place);
  const [chosen, setAgent] = useState<string>();
  const [suggestion, setSuggestion] = useState<{ text: string }>();
  const agent = catalogue.agents.find(({ id }) => id === chosen) ?? catalogue.agents[0];
  useEffect(() => setPageTitle(""), []);

  const { model, effort } = offered(choice, modelsOf(catalogue, agent?.id ?? ""));
  const send = async (said: Said, key: string) => {
    const { conversation } = await api.create(
      {
        ...(agent ? { agent: agent.id } : {}),
        message: { ...messageOf(said), ...(model ? { model } : {}), ...(effort ? { settings: { reasoning_effort: effort } } : {}) },
      },
      key,
    );
    rememberBeginning(conversation.id, said.text);
    onCreated(conversation);
    go({ at: "conversation", id: conversation.id });
  };

  const suggestions = agent && (agent.suggestions.length > 0 || agent.models[0] !== "demo" ? agent.suggestions : demoSuggestions(agent));
  return (
    <main className="chat new-chat">
      <ChatHead title="" onOpenList={onOpenList} />
      <div className="welcome">
        <Logo size={52} />
        <h2>What is on your mind?</h2>
        {agent?.description && <p>{agent.description}</p>}
      </div>
      <div className="chat-foot">
        <Composer place={place} way={[agent?.id, model, effort]} takesFiles={catalogue.takesFiles} onSend={send} suggestion={suggestion}>
          {agent && <ModelPicker catalogue={catalogue} agent={agent.id} choice={choice} onAgent={setAgent} onChoice={setChoice} />}
        </Composer>
        {suggestions && suggestions.length > 0 && (
          <ul className="suggestions" aria-label="Suggestions">
            {suggestions.map((text) => (
              <li key={text}>
                <button
                  type="button"
                  onClick={() => {
                    setSuggestion({ text });
                    document.getElementById("composer")?.focus();
                  }}
                >
                  {text}
                </button>
              </li>
            ))}
          </ul>
        )}
      </div>
    </main>
  );
}

function demoSuggestions({ tools }: Agent): string[] {
  const has = (tool: string) => tools.some((name) => name === tool || (name.endsWith("*") && tool.startsWith(name.slice(0, -1))));
  return DEMO_SUGGESTIONS.filter(({ tool }) => tool === undefined || has(tool)).map(({ text }) => text);
}
