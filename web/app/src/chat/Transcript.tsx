/** What was said, oldest first. It stays at its end while it grows, unless one has scrolled away. */

import type { FoldedTurn } from "@weir/client";
import { ArrowDown } from "lucide-react";
import { useState } from "react";
import { complain } from "../look/Toast";
import { Waiting } from "../look/Waiting";
import { AnswerCard } from "./AnswerCard";
import { standing, type Exchange } from "./exchange";
import { QuestionCard } from "./QuestionCard";
import { useScroll, type Target } from "./useScroll";

interface TranscriptProps {
  exchanges: readonly Exchange[];
  turns: ReadonlyMap<string, FoldedTurn>;
  isBusy: boolean;
  /** How often something was sent from here. */
  sends: number;
  /** A message of these that one came for. */
  target: Target | undefined;
  hasOlder: boolean;
  loadOlder(): Promise<void>;
}

export function Transcript({ exchanges, turns, isBusy, sends, target, hasOlder, loadOlder }: TranscriptProps) {
  const scroll = useScroll(exchanges[0]?.id, sends, target);
  const [isLoading, setLoading] = useState(false);
  const last = exchanges.at(-1);

  const more = () => {
    setLoading(true);
    loadOlder()
      .catch(complain)
      .finally(() => setLoading(false));
  };
  return (
    <div className="transcript-place">
      <div className="transcript" ref={scroll.frame} tabIndex={0} role="region" aria-label="Messages">
        <div className="transcript-inner" ref={scroll.content}>
          {hasOlder && (
            <button type="button" className="button quiet older" disabled={isLoading} onClick={more}>
              {isLoading ? <Waiting label="Loading" /> : "Load earlier messages"}
            </button>
          )}
          {exchanges.map((exchange) => {
            if (exchange.kind === "question") return <QuestionCard key={exchange.id} message={exchange.message} />;
            const turn = turns.get(exchange.turnId ?? "");
            return (
              <AnswerCard
                key={exchange.id}
                messages={exchange.messages}
                standing={standing(exchange, turn)}
                problem={turn?.problem}
                turnId={exchange.turnId}
                isLast={exchange === last}
              />
            );
          })}
          {last?.kind === "question" && (
            <AnswerCard
              messages={[]}
              standing={standingOf(turns.get(last.message.turn_id ?? ""), isBusy)}
              problem={turns.get(last.message.turn_id ?? "")?.problem}
              turnId={last.message.turn_id ?? undefined}
              isLast
            />
          )}
        </div>
      </div>
      {scroll.isAway && (
        <button type="button" className="to-end" onClick={scroll.toEnd}>
          <ArrowDown aria-hidden /> {isBusy ? "Follow the answer" : "Jump to latest"}
        </button>
      )}
    </div>
  );
}

/** Of a turn that has said nothing yet. One that is not known has ended before this page came. */
function standingOf(turn: FoldedTurn | undefined, isBusy: boolean) {
  if (isBusy) return "going" as const;
  return turn ? standing({ messages: [] }, turn) : "unknown";
}
