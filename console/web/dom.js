/**
 * Building elements. Children that are strings become text, never markup, whatever is in them.
 *
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Child | Child[]} Children
 * @typedef {Record<string, unknown>} Properties Attributes by name; `on` holds listeners, `data` the data-* ones,
 *   `style` custom properties. True is an empty attribute; false, null and undefined leave it out.
 */

const SVG = "http://www.w3.org/2000/svg";
const AS_PROPERTY = new Set(["value", "checked", "selected", "indeterminate", "srcObject"]);

/**
 * An HTML element.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Properties | null} [properties]
 * @param {...Children} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  assign(element, properties ?? {});
  element.append(...present(children));
  return element;
}

/**
 * An SVG element.
 *
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Properties | null} [properties]
 * @param {...Children} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function s(tag, properties, ...children) {
  const element = /** @type {SVGElementTagNameMap[T]} */ (document.createElementNS(SVG, tag));
  assign(element, properties ?? {});
  element.append(...present(children));
  return element;
}

/**
 * Puts children in the place of those that are there.
 *
 * @param {Element | DocumentFragment} parent
 * @param {...Children} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren(...present(children));
}

/**
 * @param {Children[]} children
 * @returns {(Node | string)[]}
 */
function present(children) {
  return /** @type {Child[]} */ (children.flat(2)).flatMap((child) =>
    child === null || child === undefined || child === false ? [] : [typeof child === "number" ? String(child) : child],
  );
}

/**
 * @param {HTMLElement | SVGElement} element
 * @param {Properties} properties
 */
function assign(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [type, listener] of Object.entries(/** @type {object} */ (value)))
        element.addEventListener(type, listener);
    } else if (name === "data") {
      Object.assign(element.dataset, value);
    } else if (name === "style") {
      for (const [property, each] of Object.entries(/** @type {object} */ (value)))
        element.style.setProperty(property, String(each));
    } else if (AS_PROPERTY.has(name)) {
      Object.assign(element, { [name]: value });
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/** @type {Record<string, string>} Paths on a grid of 24, drawn as lines. */
const ICONS = {
  try: "M4 8V6a2 2 0 0 1 2-2h2M16 4h2a2 2 0 0 1 2 2v2M20 16v2a2 2 0 0 1-2 2h-2M8 20H6a2 2 0 0 1-2-2v-2M7 10.5h10v4H7z",
  reads: "M4 6h16M4 12h16M4 18h10",
  watchlists: "M12 4a6 6 0 0 1 6 6v4l1.5 3h-15L6 14v-4a6 6 0 0 1 6-6M10 20h4",
  manage: "M4 7h9M17 7h3M4 17h3M11 17h9M13 7a2 2 0 1 0 4 0a2 2 0 1 0-4 0M7 17a2 2 0 1 0 4 0a2 2 0 1 0-4 0",
  health: "M3 12h4l2.5-6l4.5 12l2.5-6H21",
  api: "M8 7l-5 5l5 5M16 7l5 5l-5 5M13.5 5l-3 14",
  upload: "M12 16V4M7 9l5-5l5 5M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3",
  camera: "M4 8h3.5l1.5-3h6l1.5 3H20v11H4zM12 10a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  save: "M12 4v12M7 11l5 5l5-5M4 20h16",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.5l4.5 4.5L19 7.5",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  plus: "M12 5v14M5 12h14",
  play: "M8 5l11 7l-11 7z",
  pause: "M8 5v14M16 5v14",
  refresh: "M19 5v5h-5M5 19v-5h5M18.5 10A7 7 0 0 0 6 7.5M5.5 14A7 7 0 0 0 18 16.5",
  zoom: "M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13M15.5 15.5L20 20M10.5 8v5M8 10.5h5",
  sun: "M12 8a4 4 0 1 0 0 8a4 4 0 1 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5",
  moon: "M20 14.5A8 8 0 0 1 9.5 4A8 8 0 1 0 20 14.5z",
  auto: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  warn: "M12 4l9 16H3zM12 10v4M12 17v.5",
  info: "M12 4a8 8 0 1 0 0 16a8 8 0 1 0 0-16M12 11v5M12 8v.5",
  arrow: "M4 12h15M13 6l6 6l-6 6",
  down: "M6 9l6 6l6-6",
  filter: "M4 5h16l-6 8v6l-4-2v-4z",
  chart: "M4 20V4M4 20h16M8 20v-6M12.5 20V8M17 20v-9",
  sound: "M4 10v4h3l5 4V6L7 10zM16 9a4 4 0 0 1 0 6M18.5 6.5a8 8 0 0 1 0 11",
  key: "M14.5 4a5 5 0 1 0 0 10a5 5 0 1 0 0-10M11 12.5L4 19.5M6.5 17l2 2",
  keyboard: "M3 7h18v10H3zM6.5 10.5h.5M10 10.5h.5M13.5 10.5h.5M17 10.5h.5M8 14h8",
  car: "M3 16v-4l2.5-5h10l3.5 4l2 1v4zM6 16a2 2 0 1 0 4 0a2 2 0 1 0-4 0M15 16a2 2 0 1 0 4 0a2 2 0 1 0-4 0",
};

/**
 * A drawing that screen readers pass over: what it says stands beside it.
 *
 * @param {string} name
 */
export function icon(name) {
  return s("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: ICONS[name] ?? "" }));
}

/**
 * A button.
 *
 * @param {string} label
 * @param {() => void} act
 * @param {{icon?: string, kind?: "primary" | "plain" | "danger", hidden_label?: boolean, disabled?: boolean} & Properties} [look]
 */
export function button(label, act, look = {}) {
  const { icon: drawn, kind = "", hidden_label: hidden = false, ...rest } = look;
  return h(
    "button",
    {
      type: "button",
      class: ["button", kind, hidden && "square"].filter(Boolean).join(" "),
      "aria-label": hidden && label,
      title: hidden && label,
      on: { click: act },
      ...rest,
    },
    drawn && icon(drawn),
    !hidden && h("span", null, label),
  );
}
