/** How a turn ended where it did not end well, in so many words. */

import { CircleAlert, CircleSlash, Unplug } from "lucide-react";
import type { FoldedTurn } from "@weir/client";
import { useEffect, useState } from "react";
import { api, sentence } from "../server";
import type { Standing } from "./exchange";

interface EndingProps {
  standing: Standing | "unknown";
  problem: FoldedTurn["problem"];
  turnId: string | undefined;
}

export function Ending({ standing, problem: known, turnId }: EndingProps) {
  const isBad = standing === "failed" || standing === "interrupted" || standing === "unknown";
  const asked = useTurn(turnId, isBad && known === undefined);
  const ended = standing === "unknown" ? asked?.state : standing;
  const problem = known ?? asked?.problem ?? undefined;
  switch (ended) {
    case "cancelled":
      return (
        <p className="ending">
          <CircleSlash aria-hidden /> Stopped
        </p>
      );
    case "interrupted":
      return (
        <p className="ending bad">
          <Unplug aria-hidden /> Interrupted: the answer was cut here and is not complete. {problem && sentence(problem.detail)}
        </p>
      );
    case "failed":
      return (
        <p className="ending bad">
          <CircleAlert aria-hidden /> {problem ? `${sentence(problem.title)} ${sentence(problem.detail)}` : "This answer failed."}
        </p>
      );
    default:
      return null;
  }
}

interface Ended {
  state: string;
  problem?: { title: string; detail: string } | null;
}

/** A turn that ended before this page came. What cannot be asked for is not said. */
function useTurn(id: string | undefined, isWanted: boolean): Ended | undefined {
  const [turn, setTurn] = useState<Ended>();
  useEffect(() => {
    if (!isWanted || id === undefined) return;
    let isCurrent = true;
    api.turn(id).then(
      (turn) => isCurrent && setTurn(turn),
      () => undefined,
    );
    return () => {
      isCurrent = false;
    };
  }, [id, isWanted]);
  return turn;
}
