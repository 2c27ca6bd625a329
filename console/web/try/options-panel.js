import { field } from "../components/parts.js";
import { button, fill, h } from "../dom.js";
import { FIRST, OPTIONS } from "./options.js";

const KEPT = "platelane.options";
const GROUPS = /** @type {const} */ (["plates", "vehicles", "regions", "camera"]);

/** Controls for every option. The event `changed` says that one was moved. */
export class OptionsPanel extends HTMLElement {
  /** @param {import("../view.js").Context} context */
  constructor(context) {
    super();
    this.context = context;
    /** @type {import("./options.js").Chosen} */
    this.chosen = { ...FIRST };
    try {
      Object.assign(this.chosen, JSON.parse(sessionStorage.getItem(KEPT) ?? "{}"));
    } catch {
      sessionStorage.removeItem(KEPT);
    }
  }

  connectedCallback() {
    if (!this.firstChild) this.show();
  }

  show() {
    const { words, store } = this.context;
    const suggestions = h("datalist", { id: "cameras-known" });
    store.watch("cameras", (cameras) =>
      fill(
        suggestions,
        cameras.map((name) => h("option", { value: name })),
      ),
    );
    fill(
      this,
      suggestions,
      GROUPS.map((group) =>
        h(
          "fieldset",
          null,
          h("legend", null, words.t(`option.group.${group}`)),
          OPTIONS.filter((option) => option.group === group).map((option) => this.control(option)),
        ),
      ),
      h(
        "div",
        { class: "actions" },
        button(
          words.t("options.reset"),
          () => {
            this.chosen = { ...FIRST };
            this.show();
            this.changed();
          },
          { icon: "refresh", kind: "plain" },
        ),
      ),
    );
  }

  /** @param {import("./options.js").Option} option */
  control(option) {
    const { words } = this.context;
    const value = this.chosen[option.name] ?? option.usual;
    /** @param {unknown} now */
    const set = (now) => {
      this.chosen[option.name] = now;
      this.changed();
    };
    const [label, why] = [words.t(option.label), words.t(option.why)];
    const named = { id: `option-${option.name}`, name: option.name };
    switch (option.kind) {
      case "flag": {
        const box = h("input", { ...named, type: "checkbox", role: "switch", checked: Boolean(value) });
        box.addEventListener("change", () => set(box.checked));
        return field(label, box, why);
      }
      case "choice": {
        const select = h(
          "select",
          named,
          option.choices?.map((each) =>
            h("option", { value: each.value, selected: each.value === value }, words.t(each.label)),
          ),
        );
        select.addEventListener("change", () => set(select.value));
        return field(label, select, why);
      }
      case "share": {
        const range = h("input", { ...named, type: "range", min: "0", max: "1", step: "0.05", value: String(value) });
        const shown = h("output", { for: named.id }, words.number(Number(value)));
        range.addEventListener("input", () => fill(shown, words.number(Number(range.value))));
        range.addEventListener("change", () => set(Number(range.value)));
        const whole = field(label, range, why);
        whole.querySelector("label")?.append(shown);
        return whole;
      }
      case "count": {
        const number = h("input", {
          ...named,
          type: "number",
          min: option.least,
          max: option.most,
          value: String(value),
        });
        number.addEventListener("change", () => set(number.checkValidity() ? Number(number.value) : option.usual));
        return field(label, number, why);
      }
      case "lines": {
        const area = h("textarea", { ...named, rows: 2, spellcheck: "false", value: String(value), dir: "ltr" });
        area.addEventListener("change", () => set(area.value.trim()));
        return field(label, area, why);
      }
      default: {
        const input = h("input", {
          ...named,
          type: option.kind === "time" ? "datetime-local" : "text",
          maxlength: option.kind === "regions" ? 1000 : 200,
          spellcheck: "false",
          autocomplete: "off",
          list: option.name === "camera_id" ? "cameras-known" : null,
          placeholder: option.kind === "regions" ? "gb, fr, us-ca" : null,
          value: String(value),
        });
        input.addEventListener("change", () => set(input.value.trim()));
        return field(label, input, why);
      }
    }
  }

  changed() {
    sessionStorage.setItem(KEPT, JSON.stringify(this.chosen));
    this.dispatchEvent(new Event("changed"));
  }
}
customElements.define("options-panel", OptionsPanel);
