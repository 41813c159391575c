/** Who can answer, with which models, and what was chosen last. */

import type { Agent, Model } from "@weir/client";
import { useCallback, useEffect, useState } from "react";
import { keep, recall } from "../keep";
import { api } from "../server";

export interface Catalogue {
  agents: readonly Agent[];
  models: readonly Model[];
  takesFiles: boolean;
}

export interface Choice {
  /** Absent: the agent's own. */
  model?: string;
  /** Absent: the model's own. */
  effort?: string;
}

export const EFFORTS = ["low", "medium", "high"] as const;

const AGAIN_AFTER = 5_000;

export function useCatalogue(): Catalogue {
  const [catalogue, setCatalogue] = useState<Catalogue>({ agents: [], models: [], takesFiles: false });
  useEffect(() => {
    let isCurrent = true;
    let again: ReturnType<typeof setTimeout> | undefined;
    const load = () =>
      void Promise.all([api.agents(), api.models(), api.meta()]).then(
        ([agents, models, { features }]) => isCurrent && setCatalogue({ agents, models, takesFiles: features.includes("files") }),
        () => isCurrent && (again = setTimeout(load, AGAIN_AFTER)),
      );
    load();
    return () => {
      isCurrent = false;
      clearTimeout(again);
    };
  }, []);
  return catalogue;
}

/** The models that an agent may be asked to use: those of its provider. */
export function modelsOf(catalogue: Catalogue, agentId: string): Model[] {
  const own = catalogue.agents.find(({ id }) => id === agentId)?.models[0];
  const provider = catalogue.models.find(({ id }) => id === own)?.provider;
  return catalogue.models.filter((model) => provider !== undefined && model.provider === provider);
}

/** What was chosen in that place, or else last anywhere. */
export function useChoice(place: string): [Choice, (choice: Choice) => void] {
  const [choice, setChoice] = useState<Choice>(() => parsed(recall(`weir.model.${place}`) ?? recall("weir.model.last")));
  const choose = useCallback(
    (choice: Choice) => {
      setChoice(choice);
      const text = JSON.stringify(choice);
      keep(`weir.model.${place}`, text);
      keep("weir.model.last", text);
    },
    [place],
  );
  return [choice, choose];
}

/** What is no longer offered is not asked for. */
export function offered(choice: Choice, models: readonly Model[]): Choice {
  const model = models.find(({ id }) => id === choice.model);
  const { effort } = choice;
  return { ...(model ? { model: model.id } : {}), ...(effort && EFFORTS.some((known) => known === effort) ? { effort } : {}) };
}

function parsed(text: string | null): Choice {
  try {
    const choice: unknown = JSON.parse(text ?? "{}");
    return typeof choice === "object" && choice !== null ? (choice as Choice) : {};
  } catch {
    return {};
  }
}
