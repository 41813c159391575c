import { ChevronDown } from "lucide-react";
import { Menu, type MenuGroup } from "../look/Menu";
import { EFFORTS, modelsOf, offered, type Catalogue, type Choice } from "./catalogue";

interface ModelPickerProps {
  catalogue: Catalogue;
  agent: string;
  choice: Choice;
  onAgent(agent: string): void;
  onChoice(choice: Choice): void;
}

export function ModelPicker({ catalogue, agent, choice, onAgent, onChoice }: ModelPickerProps) {
  const models = modelsOf(catalogue, agent);
  const { model, effort } = offered(choice, models);
  const own = catalogue.agents.find(({ id }) => id === agent)?.models[0];
  const used = models.find(({ id }) => id === (model ?? own));
  const withModel = (model: string | undefined): Choice => ({ ...(model ? { model } : {}), ...(effort ? { effort } : {}) });
  const withEffort = (effort: string | undefined): Choice => ({ ...(model ? { model } : {}), ...(effort ? { effort } : {}) });

  const groups: MenuGroup[] = [];
  if (catalogue.agents.length > 1) {
    const items = catalogue.agents.map(({ id, name, description }) => ({
      label: name,
      ...(description ? { detail: description } : {}),
      checked: id === agent,
      onSelect: () => onAgent(id),
    }));
    groups.push({ heading: "Agent", items });
  }
  if (models.length > 0) {
    const items = models.map(({ id, context_tokens }) => ({
      label: id,
      ...(context_tokens ? { detail: `${tokens(context_tokens)} of context` } : {}),
      checked: id === used?.id,
      onSelect: () => onChoice(withModel(id === own ? undefined : id)),
    }));
    groups.push({ heading: "Model", items });
  }
  if (used && used.reasoning !== "no") {
    const chosen = [undefined, ...EFFORTS].map((value) => ({
      label: value === undefined ? "As the model does" : value.charAt(0).toUpperCase() + value.slice(1),
      checked: value === effort,
      onSelect: () => onChoice(withEffort(value)),
    }));
    groups.push({ heading: "Reasoning", items: chosen });
  }
  if (groups.length === 0) return null;
  const agentName = catalogue.agents.length > 1 ? catalogue.agents.find(({ id }) => id === agent)?.name : undefined;
  const name = used?.id ?? own ?? "Model";
  return (
    <Menu label={`Agent and model: ${[agentName, name, effort].filter(Boolean).join(", ")}`} className="picker" groups={groups}>
      <span>
        {agentName && <b>{agentName} </b>}
        {name}
        {effort && <i> · {effort}</i>}
      </span>
      <ChevronDown aria-hidden />
    </Menu>
  );
}

function tokens(count: number): string {
  return count >= 1_000_000 ? `${count / 1_000_000}M tokens` : `${Math.round(count / 1000)}k tokens`;
}
