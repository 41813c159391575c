/** What stands in a drawn text that has no business there: elements, attributes and addresses outside of closed lists. */

const ATTRIBUTES: Record<string, readonly string[]> = {
  a: ["href", "title", "target", "rel", "referrerpolicy", "aria-label"],
  bdi: [],
  blockquote: ["dir"],
  br: [],
  button: ["type", "aria-live"],
  code: ["dir"],
  del: [],
  div: ["role", "tabindex", "aria-label"],
  em: [],
  figcaption: [],
  figure: [],
  h3: ["dir"], h4: ["dir"], h5: ["dir"], h6: ["dir"],
  hr: [],
  input: ["type", "checked", "disabled", "readonly"],
  li: ["dir", "id", "tabindex"],
  ol: ["start", "aria-label"],
  p: ["dir"],
  pre: ["dir", "tabindex"],
  span: ["data-name", "title"],
  strong: [],
  sup: [],
  table: [], tbody: [], td: ["dir"], th: ["dir"], thead: [], tr: [],
  ul: [],
};

const CLASS = /^(?:markdown|md-[a-z0-9-]+|hljs-[\w-]+|[a-z]+_)$/;

export function strangers(root: Element): string[] {
  return [...root.querySelectorAll("*")].flatMap((element) => {
    const name = element.localName;
    const known = Object.hasOwn(ATTRIBUTES, name) ? ATTRIBUTES[name] : undefined;
    if (!known || element.namespaceURI !== "http://www.w3.org/1999/xhtml") return [`<${name}>`];
    return [...element.attributes].flatMap((attribute) => {
      const isKnown = attribute.name === "class" || known.includes(attribute.name);
      return isKnown && isHarmless(element, attribute) ? [] : [`<${name} ${attribute.name}="${attribute.value}">`];
    });
  });
}

function isHarmless(element: Element, { name, value }: Attr): boolean {
  switch (name) {
    case "class":
      return value.split(" ").every((one) => CLASS.test(one));
    case "href":
      if (element.className === "md-note") return /^#note-/.test(value);
      return /^(?:https?|mailto):/.test(value) && element.getAttribute("target") === "_blank" && says(element);
    case "target":
      return value === "_blank";
    case "rel":
      return value === "noopener noreferrer nofollow";
    case "type":
      return value === (element.localName === "input" ? "checkbox" : "button");
    case "id":
      return value.startsWith("note-");
    default:
      return true;
  }
}

/** A link shows its host, or who the mail goes to. */
function says(link: Element): boolean {
  const { protocol, host, pathname } = new URL(link.getAttribute("href") ?? "");
  const target = protocol === "mailto:" ? pathname : host;
  return link.textContent.includes(target);
}
