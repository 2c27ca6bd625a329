/** The frame around the views: navigation, language, theme, token, and what is said to the person. */

import { Api } from "./api.js";
import { button, fill, h, icon } from "./dom.js";
import { LANGUAGES, Translator } from "./i18n.js";
import { Store } from "./store.js";

/** @typedef {"try" | "reads" | "watchlists" | "manage" | "health" | "api"} Name */

/** @type {Record<Name, () => Promise<{View: new (context: import("./view.js").Context) => import("./view.js").View}>>} */
const VIEWS = {
  try: () => import("./views/try.js"),
  reads: () => import("./views/reads.js"),
  watchlists: () => import("./views/watchlists.js"),
  manage: () => import("./views/manage.js"),
  health: () => import("./views/health.js"),
  api: () => import("./views/api.js"),
};
const NAMES = /** @type {Name[]} */ (Object.keys(VIEWS));
const NOTE_MS = 6000;

class Application {
  /**
   * @param {Store} store
   * @param {Translator} words
   */
  constructor(store, words) {
    this.store = store;
    this.words = words;
    this.api = new Api(sessionStorage, () => this.askForToken());
    this.api.onReached = (reached) => store.set("server", reached ? "online" : "offline");
    /** @type {Map<Name, import("./view.js").View>} */
    this.views = new Map();
    this.notes = h("div", { class: "notes", role: "status", "aria-live": "polite" });
    this.place = h("main", { id: "main", tabindex: "-1" });
    /** @type {Map<Name, HTMLAnchorElement>} */
    this.links = new Map();
  }

  start() {
    document.documentElement.lang = this.words.language;
    const { t } = this.bound();
    fill(
      document.body,
      h("a", { class: "skip", href: "#main", on: { click: (/** @type {Event} */ e) => this.skip(e) } }, t("skip")),
      h("header", { class: "side" }, this.brand(), this.navigation(), this.foot()),
      this.place,
      this.notes,
    );
    this.store.watch("theme", (theme) => {
      document.documentElement.dataset.theme = theme;
    });
    addEventListener("hashchange", () => this.route());
    this.route();
    this.learn();
  }

  bound() {
    return { t: this.words.t.bind(this.words) };
  }

  /** @param {Event} event */
  skip(event) {
    event.preventDefault();
    this.place.focus();
  }

  brand() {
    const status = h("span", { class: "server" });
    const { t } = this.bound();
    const shown = () => {
      const server = this.store.get("server");
      status.dataset.state = server;
      const version = this.store.get("version");
      fill(status, h("i", null), h("span", null, t(`server.${server}`)), version && h("small", null, version));
    };
    this.store.watch("server", shown);
    this.store.watch("version", shown);
    return h(
      "div",
      { class: "brand" },
      h("a", { href: "#/try", class: "logo", "aria-label": "Platelane" }, mark(), h("b", null, "Platelane")),
      h("div", { role: "status" }, status),
    );
  }

  navigation() {
    const { t } = this.bound();
    const items = NAMES.map((name) => {
      const link = h("a", { href: `#/${name}` }, icon(name), h("span", null, t(`nav.${name}`)));
      this.links.set(name, link);
      return h("li", null, link);
    });
    return h("nav", { "aria-label": t("nav") }, h("ul", null, items));
  }

  foot() {
    const { t } = this.bound();
    const languages = h(
      "select",
      { "aria-label": t("language"), on: { change: () => this.speak(languages.value) } },
      Object.entries(LANGUAGES).map(([code, name]) =>
        h("option", { value: code, lang: code, selected: code === this.words.language }, name),
      ),
    );
    const order = /** @type {const} */ (["auto", "light", "dark"]);
    const look = { auto: "auto", light: "sun", dark: "moon" };
    const theme = h("button", { type: "button", class: "button square plain" });
    theme.addEventListener("click", () => {
      this.store.set("theme", order[(order.indexOf(this.store.get("theme")) + 1) % order.length]);
    });
    this.store.watch("theme", (now) => {
      theme.title = `${t("theme")}: ${t(`theme.${now}`)}`;
      theme.setAttribute("aria-label", theme.title);
      fill(theme, icon(look[now]));
    });
    return h("div", { class: "foot" }, languages, theme);
  }

  /** @param {string} language */
  async speak(language) {
    this.store.set("language", language);
    location.reload();
  }

  /** Shows the view that the address names. */
  async route() {
    const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
    const name = NAMES.find((each) => each === path) ?? "try";
    for (const [each, link] of this.links) link.toggleAttribute("data-current", each === name);
    for (const [each, link] of this.links)
      each === name ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
    document.title = `${this.words.t(`nav.${name}`)} – Platelane`;
    let view = this.views.get(name);
    this.place.dataset.view = name;
    if (!view) {
      this.place.replaceChildren(h("div", { class: "skeleton", "aria-hidden": "true" }));
      try {
        const { View } = await VIEWS[name]();
        view = this.views.get(name) ?? new View(this.context());
        this.views.set(name, view);
      } catch (error) {
        // the server was upgraded since this page was loaded, or is away
        this.notify(this.words.t("error.reload"), "bad");
        console.error(error);
        return;
      }
    }
    if (this.place.dataset.view !== name) return; // somebody went on meanwhile
    view.addressed(new URLSearchParams(query ?? ""));
    if (this.place.firstChild !== view) {
      this.place.replaceChildren(view);
      this.place.scrollTop = 0;
    }
  }

  /** @returns {import("./view.js").Context} */
  context() {
    return {
      api: this.api,
      store: this.store,
      words: this.words,
      notify: (text, kind) => this.notify(text, kind),
      go: (address) => {
        location.hash = address;
      },
    };
  }

  /** Learns what every view may want; that the server is there, and whether it asks for a token, comes with it. */
  async learn() {
    try {
      const info = await this.api.get("/info/");
      this.store.set("version", info.version);
      this.store.set("regions", (await this.api.get("/v1/regions/")).regions);
    } catch {
      this.store.set("server", "offline");
      setTimeout(() => this.learn(), 3000);
    }
  }

  /**
   * @param {string} text
   * @param {"good" | "bad"} [kind]
   */
  notify(text, kind = "good") {
    if ([...this.notes.children].some((note) => note.textContent === text)) return;
    const note = h(
      "div",
      { class: `note ${kind}`, role: kind === "bad" ? "alert" : null },
      icon(kind === "good" ? "check" : "warn"),
      h("span", null, text),
    );
    this.notes.append(note);
    setTimeout(() => note.remove(), NOTE_MS);
  }

  /**
   * Asks for a token until one is given or the person declines.
   *
   * @returns {Promise<string | null>}
   */
  askForToken() {
    const { t } = this.bound();
    const refused = Boolean(this.api.token);
    this.api.forgetToken();
    const field = h("input", {
      type: "password",
      autocomplete: "off",
      required: true,
      id: "token",
      "aria-describedby": "token-why",
    });
    const dialog = h(
      "dialog",
      { class: "small", "aria-labelledby": "token-title" },
      h(
        "form",
        { method: "dialog" },
        h("h2", { id: "token-title" }, t("token.title")),
        h("p", { id: "token-why" }, refused ? t("token.refused") : t("token.why")),
        h("label", { for: "token" }, t("token.field")),
        field,
        h(
          "div",
          { class: "actions" },
          button(t("cancel"), () => dialog.close(""), { kind: "plain" }),
          h("button", { class: "button primary" }, t("token.use")),
        ),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
    return new Promise((given) => {
      dialog.querySelector("form")?.addEventListener("submit", () => {
        dialog.returnValue = field.value.trim();
      });
      dialog.addEventListener("close", () => {
        const token = field.value.trim() && dialog.returnValue !== "" ? field.value.trim() : null;
        dialog.remove();
        given(token);
      });
      dialog.addEventListener("cancel", () => {
        field.value = "";
      });
    });
  }
}

function mark() {
  return h("span", { class: "mark", "aria-hidden": "true" }, h("i", null), h("i", null), h("i", null), h("i", null));
}

const store = new Store(localStorage);
new Application(store, await Translator.load(store.get("language"))).start();
