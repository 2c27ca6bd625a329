import { button, fill, h, icon } from "./dom.js";
import { explain } from "./errors.js";

/**
 * What a view works with.
 *
 * @typedef {object} Context
 * @property {import("./api.js").Api} api
 * @property {import("./store.js").Store} store
 * @property {import("./i18n.js").Translator} words
 * @property {(text: string, kind?: "good" | "bad") => void} notify says something for a moment, to ears too
 * @property {(address: string) => void} go
 */

/** A view: built once, shown and hidden again and again. */
export class View extends HTMLElement {
  /** @param {Context} context */
  constructor(context) {
    super();
    this.context = context;
    this.lifetime = new AbortController();
  }

  connectedCallback() {
    this.lifetime = new AbortController();
    this.shown(this.lifetime.signal);
  }

  disconnectedCallback() {
    this.lifetime.abort();
  }

  /**
   * Begins what goes on while the view is seen.
   *
   * @param {AbortSignal} _signal
   */
  shown(_signal) {}

  /**
   * Takes what stands behind the `?` of the address.
   *
   * @param {URLSearchParams} _parameters
   */
  addressed(_parameters) {}

  /**
   * Shows what `load` makes in `place`; what is wrong where it fails, with a button to try again.
   *
   * @param {Element} place
   * @param {() => Promise<import("./dom.js").Children>} load
   */
  async present(place, load) {
    const { signal } = this.lifetime;
    place.setAttribute("aria-busy", "true");
    try {
      const content = await load();
      if (!signal.aborted) fill(place, content);
    } catch (error) {
      if (!signal.aborted)
        fill(
          place,
          this.problem(error, () => this.present(place, load)),
        );
    } finally {
      place.removeAttribute("aria-busy");
    }
  }

  /**
   * @param {unknown} error
   * @param {() => void} again
   */
  problem(error, again) {
    const { words } = this.context;
    return h(
      "div",
      { class: "notice", role: "alert" },
      icon("warn"),
      h("p", null, explain(error, words)),
      button(words.t("again"), again, { icon: "refresh" }),
    );
  }

  /**
   * Does something that the person asked for, and says so if it fails.
   *
   * @param {() => Promise<void>} act
   */
  async attempt(act) {
    try {
      await act();
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return;
      this.context.notify(explain(error, this.context.words), "bad");
    }
  }
}
