/** What narrows a search, and in which order it is read. */

import type { Role, TextKind } from "@weir/client";
import type { Catalogue } from "../chat/catalogue";
import type { Ask, When } from "./ask";

export interface Here {
  id: string;
  title: string;
}

interface FiltersProps {
  ask: Ask;
  /** The conversation that is open. */
  here: Here | undefined;
  catalogue: Catalogue;
  onAsk(ask: Ask): void;
}

const WHO: readonly (readonly [Role | "", string])[] = [
  ["", "Anyone"],
  ["user", "People"],
  ["assistant", "Agents"],
];

const WHAT: readonly (readonly [TextKind | "", string])[] = [
  ["", "Everything"],
  ["message", "Messages"],
  ["call", "Tools"],
  ["file", "Files"],
  ["title", "Titles"],
  ["branch", "Branch names"],
];

const WHEN: readonly (readonly [When, string])[] = [
  ["", "Any time"],
  ["today", "Today"],
  ["week", "Last 7 days"],
  ["month", "Last 30 days"],
  ["year", "Last year"],
  ["before month", "Over a month ago"],
  ["before year", "Over a year ago"],
];

const ORDER: readonly (readonly [Ask["order"], string])[] = [
  ["relevance", "Best first"],
  ["recent", "Newest first"],
];

export function Filters({ ask, here, catalogue: { agents }, onAsk }: FiltersProps) {
  const { where, isGrouped } = ask;
  const places = [...(where && where.id !== here?.id ? [where] : []), ...(here ? [here] : [])];
  const move = (id: string) => {
    const { where: _, ...rest } = ask;
    const place = places.find((place) => place.id === id);
    onAsk(place ? { ...rest, where: place } : rest);
  };
  return (
    <div className="search-filters" role="group" aria-label="Filters">
      <Choice label="What it is" value={ask.what} options={WHAT} onChange={(what) => onAsk({ ...ask, what })} />
      <Choice label="Who said it" value={ask.who} options={WHO} onChange={(who) => onAsk({ ...ask, who })} />
      <Choice label="When" value={ask.when} options={WHEN} onChange={(when) => onAsk({ ...ask, when })} />
      {places.length > 0 && (
        <Choice
          label="Where"
          value={where?.id ?? ""}
          options={[["", "Everywhere"], ...places.map(({ id, title }) => [id, id === here?.id ? "This conversation" : `In “${title}”`] as const)]}
          onChange={move}
        />
      )}
      {agents.length > 1 && (
        <Choice
          label="Agent"
          value={ask.agent}
          options={[["", "Every agent"], ...agents.map(({ id, name }) => [id, name] as const)]}
          onChange={(agent) => onAsk({ ...ask, agent })}
        />
      )}
      <Choice label="Order" value={ask.order} options={ORDER} onChange={(order) => onAsk({ ...ask, order })} />
      <label className="search-grouped" data-set={isGrouped || undefined}>
        <input type="checkbox" checked={isGrouped} onChange={({ target }) => onAsk({ ...ask, isGrouped: target.checked })} />
        One per conversation
      </label>
    </div>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onChange(value: T): void;
}

function Choice<T extends string>({ label, value, options, onChange }: ChoiceProps<T>) {
  return (
    <select aria-label={label} title={label} value={value} data-set={value !== options[0]?.[0] || undefined} onChange={({ target }) => onChange(target.value as T)}>
      {options.map(([value, words]) => (
        <option key={value} value={value}>
          {words}
        </option>
      ))}
    </select>
  );
}
