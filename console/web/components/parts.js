/** Small parts that several views are made of. */

import { button, fill, h, icon } from "../dom.js";

/** A crop may come a moment after the read that it belongs to. */
const LATE_MS = 2500;

/**
 * A plate's text as it stands on a plate: left to right in any language.
 *
 * @param {string} text
 * @param {string} [kind]
 */
export function plateChip(text, kind = "") {
  return h("span", { class: `plate-chip ${kind}`, dir: "ltr", translate: "no" }, text ? text.toUpperCase() : "–");
}

/**
 * A probability as a bar with its number.
 *
 * @param {number} share
 * @param {import("../i18n.js").Translator} words
 */
export function meter(share, words) {
  return h(
    "span",
    { class: "meter", data: { level: level(share) } },
    h("i", { style: { "--share": Math.min(1, Math.max(0, share)) }, "aria-hidden": "true" }),
    h("span", null, words.percent(share)),
  );
}

/** @param {number} share */
export function level(share) {
  return share >= 0.9 ? "good" : share >= 0.7 ? "fair" : "poor";
}

/**
 * Characters with the confidence of each.
 *
 * @param {import("../types.js").Character[]} characters
 * @param {import("../i18n.js").Translator} words
 */
export function characterBars(characters, words) {
  return h(
    "ol",
    { class: "characters", dir: "ltr", "aria-label": words.t("characters") },
    characters.map(({ char, score }) =>
      h(
        "li",
        { data: { level: level(score) }, title: `${char.toUpperCase()} ${words.percent(score)}` },
        h("b", null, char.toUpperCase()),
        h("i", { style: { "--share": score }, "aria-hidden": "true" }),
        h("small", null, words.number(Math.round(score * 100))),
      ),
    ),
  );
}

/**
 * A choice among a few, as buttons in a row.
 *
 * @template {string} T
 * @param {string} label
 * @param {{value: T, label: string}[]} choices
 * @param {T} chosen
 * @param {(value: T) => void} act
 */
export function segments(label, choices, chosen, act) {
  const name = `segments-${Math.random().toString(36).slice(2)}`;
  return h(
    "div",
    { class: "segments", role: "radiogroup", "aria-label": label },
    choices.map((choice) =>
      h(
        "label",
        null,
        h("input", {
          type: "radio",
          name,
          value: choice.value,
          checked: choice.value === chosen,
          on: { change: () => act(choice.value) },
        }),
        h("span", null, choice.label),
      ),
    ),
  );
}

/**
 * Pages of which one is seen, with the keys that screen readers' users expect.
 *
 * @param {string} label
 * @param {{id: string, label: string, content: Element}[]} pages
 * @param {(id: string) => void} [shown]
 */
export function tabs(label, pages, shown) {
  /** @type {HTMLButtonElement[]} */
  const heads = [];
  /** @param {number} index */
  const show = (index) => {
    pages.forEach(({ content }, each) => {
      content.toggleAttribute("hidden", each !== index);
      heads[each].setAttribute("aria-selected", String(each === index));
      heads[each].tabIndex = each === index ? 0 : -1;
    });
    shown?.(pages[index].id);
  };
  pages.forEach(({ id, label: name, content }, index) => {
    content.setAttribute("role", "tabpanel");
    content.setAttribute("aria-labelledby", `tab-${id}`);
    content.id = `panel-${id}`;
    heads.push(
      h(
        "button",
        {
          type: "button",
          role: "tab",
          id: `tab-${id}`,
          "aria-controls": `panel-${id}`,
          on: { click: () => show(index) },
        },
        name,
      ),
    );
  });
  const list = h("div", { role: "tablist", "aria-label": label }, heads);
  list.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    const now = heads.findIndex((head) => head.tabIndex === 0);
    const next = (now + step + heads.length) % heads.length;
    show(next);
    heads[next].focus();
  });
  show(0);
  return h(
    "div",
    { class: "tabs" },
    list,
    pages.map(({ content }) => content),
  );
}

/**
 * Text to copy, with the button that does.
 *
 * @param {string} text
 * @param {import("../view.js").Context} context
 */
export function copyable(text, { words, notify }) {
  const code = h("pre", { class: "code", dir: "ltr", tabindex: "0", translate: "no" }, h("code", null, text));
  const copy = button(
    words.t("copy"),
    async () => {
      try {
        await navigator.clipboard.writeText(text);
        notify(words.t("copied"));
      } catch {
        getSelection()?.selectAllChildren(code); // plain HTTP from another machine has no clipboard
        notify(words.t("copy.selected"));
      }
    },
    { icon: "copy", kind: "plain" },
  );
  return h("div", { class: "copyable" }, copy, code);
}

/**
 * A dialog with a form; gone once it is closed.
 *
 * @param {{title: string, body: import("../dom.js").Children, submit?: string, cancel: string, wide?: boolean,
 *   danger?: boolean, act?: () => Promise<void> | void, failed?: (error: unknown) => string}} parts
 */
export function dialog({ title, body, submit, cancel, wide, danger, act, failed }) {
  const problem = h("p", { class: "problem", role: "alert" });
  const id = `dialog-${Math.random().toString(36).slice(2)}`;
  const shown = h("dialog", { class: wide ? "wide" : "", "aria-labelledby": id });
  const send =
    submit &&
    h("button", { class: `button ${danger ? "danger" : "primary"}`, type: "submit" }, h("span", null, submit));
  const form = h(
    "form",
    { method: "dialog" },
    h(
      "header",
      null,
      h("h2", { id }, title),
      button(cancel, () => shown.close(), { icon: "close", kind: "plain", hidden_label: true }),
    ),
    h("div", { class: "body" }, body),
    problem,
    h(
      "div",
      { class: "actions" },
      button(cancel, () => shown.close(), { kind: "plain" }),
      send,
    ),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (send) send.disabled = true;
    fill(problem);
    try {
      await act?.();
      shown.close();
    } catch (error) {
      fill(problem, icon("warn"), failed ? failed(error) : String(error));
    } finally {
      if (send) send.disabled = false;
    }
  });
  shown.append(form);
  shown.addEventListener("close", () => shown.remove());
  document.body.append(shown);
  shown.showModal();
  return shown;
}

/**
 * A control with its name, and a sentence about it.
 *
 * @param {string} label
 * @param {HTMLElement} control
 * @param {string} [why]
 */
export function field(label, control, why) {
  const id = control.id || `field-${Math.random().toString(36).slice(2)}`;
  control.id = id;
  if (why) control.setAttribute("aria-describedby", `${id}-why`);
  const tick = control instanceof HTMLInputElement && control.type === "checkbox";
  return h(
    "div",
    { class: tick ? "field tick" : "field" },
    tick ? [control, h("label", { for: id }, label)] : [h("label", { for: id }, label), control],
    why && h("p", { id: `${id}-why`, class: "why" }, why),
  );
}

/**
 * A place that scrolls sideways where what is in it is too wide, by the keyboard too.
 *
 * @param {string} name
 * @param {import("../dom.js").Children} content
 */
export function scroller(name, content) {
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": name }, content);
}

/**
 * A picture that may need the token: it is fetched when it comes into sight, and let go of with the element.
 */
export class ApiPicture extends HTMLElement {
  /**
   * @param {import("../api.js").Api} api
   * @param {string | null} path
   * @param {string} alt
   */
  constructor(api, path, alt) {
    super();
    this.api = api;
    this.path = path;
    this.alt = alt;
    this.url = "";
  }

  connectedCallback() {
    if (!this.path || this.firstChild) return;
    this.observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) {
        this.observer?.disconnect();
        this.load();
      }
    });
    this.observer.observe(this);
  }

  disconnectedCallback() {
    this.observer?.disconnect();
  }

  /** @param {boolean} [again] */
  async load(again = false) {
    try {
      this.url = await this.api.objectUrl(/** @type {string} */ (this.path));
      const image = h("img", { src: this.url, alt: this.alt, decoding: "async" });
      image.addEventListener("load", () => URL.revokeObjectURL(this.url), { once: true });
      this.replaceChildren(image);
      delete this.dataset.gone;
      this.dispatchEvent(new Event("loaded"));
    } catch {
      this.dataset.gone = ""; // crops are not kept for good
      if (!again) setTimeout(() => this.isConnected && this.load(true), LATE_MS);
    }
  }
}
customElements.define("api-picture", ApiPicture);
