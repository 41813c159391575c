/** A button that opens a menu above everything else. Arrow keys move in it, Escape and a click elsewhere close it. */

import { Check, type LucideIcon } from "lucide-react";
import { useId, useRef, type KeyboardEvent, type ReactNode, type ToggleEvent } from "react";

export interface MenuItem {
  label: string;
  detail?: string;
  icon?: LucideIcon;
  /** One of several that may be chosen, and whether it is. */
  checked?: boolean;
  danger?: boolean;
  onSelect(): void;
}

/** Items under a heading. */
export interface MenuGroup {
  heading?: string;
  items: readonly MenuItem[];
}

interface MenuProps {
  /** What the button is for, where its content does not say. */
  label: string;
  groups: readonly MenuGroup[];
  className?: string;
  align?: "start" | "end";
  children: ReactNode;
}

const GAP = 6;
const MARGIN = 8;

export function Menu({ label, groups, className = "", align = "start", children }: MenuProps) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const menu = useRef<HTMLDivElement>(null);

  const onToggle = (event: ToggleEvent<HTMLDivElement>) => {
    const isOpen = event.newState === "open";
    button.current?.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen || !button.current || !menu.current) return;
    place(menu.current, button.current, align);
    const items = itemsOf(menu.current);
    (items.find((item) => item.getAttribute("aria-checked") === "true") ?? items[0])?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const items = itemsOf(menu.current);
    const at = items.findIndex((item) => item === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      items.at(to % items.length)?.focus();
    } else if (event.key === "Tab") {
      menu.current?.hidePopover();
    }
  };
  const choose = (item: MenuItem) => {
    menu.current?.hidePopover();
    item.onSelect();
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        className={className}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={false}
        popoverTarget={id}
      >
        {children}
      </button>
      <div ref={menu} id={id} role="menu" aria-label={label} popover="auto" className="menu" onToggle={onToggle} onKeyDown={onKeyDown}>
        {groups.map(({ heading, items }, at) => (
          <div role="group" aria-label={heading} className="menu-group" key={heading ?? at}>
            {heading && <div className="menu-heading">{heading}</div>}
            {items.map((item) => (
              <Item key={item.label} item={item} onChoose={choose} />
            ))}
          </div>
        ))}
      </div>
    </>
  );
}

function Item({ item, onChoose }: { item: MenuItem; onChoose(item: MenuItem): void }) {
  const { label, detail, icon: Icon, checked, danger } = item;
  const role = checked === undefined ? "menuitem" : "menuitemradio";
  return (
    <button
      type="button"
      role={role}
      aria-checked={checked}
      tabIndex={-1}
      className="menu-item"
      data-danger={danger || undefined}
      onClick={() => onChoose(item)}
    >
      {Icon && <Icon aria-hidden />}
      <span className="menu-label">
        {label}
        {detail && <small>{detail}</small>}
      </span>
      {checked && <Check aria-hidden className="menu-check" />}
    </button>
  );
}

function itemsOf(menu: HTMLElement | null): HTMLElement[] {
  return [...(menu?.querySelectorAll<HTMLElement>(".menu-item") ?? [])];
}

/** Below the button if there is room, else above it; never off the screen. */
function place(menu: HTMLElement, button: HTMLElement, align: "start" | "end"): void {
  const from = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = from.bottom + GAP;
  const top = below + height + MARGIN <= innerHeight ? below : Math.max(MARGIN, from.top - GAP - height);
  const left = align === "start" ? from.left : from.right - width;
  menu.style.top = `${top}px`;
  menu.style.left = `${Math.max(MARGIN, Math.min(left, innerWidth - width - MARGIN))}px`;
}
