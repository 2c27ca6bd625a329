import { copyable, dialog, field } from "../components/parts.js";
import { button, fill, h, icon } from "../dom.js";
import { explain } from "../errors.js";
import { View } from "../view.js";

const PATH = "/v1/webhooks/";
const FORMATS = /** @type {const} */ (["json", "form", "multipart"]);

/** Webhooks: made, tested, looked after. */
export class WebhooksPanel extends View {
  /** @param {import("../view.js").Context} context */
  constructor(context) {
    super(context);
    const t = context.words.t.bind(context.words);
    this.list = h("div", { class: "stack" });
    fill(
      this,
      h(
        "div",
        { class: "panel-head" },
        h("p", { class: "quiet" }, t("hooks.about")),
        button(t("hooks.new"), () => this.edit(null), { icon: "plus", kind: "primary" }),
      ),
      this.list,
    );
  }

  shown() {
    this.show();
  }

  show() {
    const { api, words } = this.context;
    return this.present(this.list, async () => {
      const hooks = await api.list(PATH, this.lifetime.signal);
      if (!hooks.length) return h("div", { class: "card empty" }, words.t("hooks.none"));
      return hooks.map((/** @type {any} */ hook) => this.card(hook));
    });
  }

  /** @param {any} hook */
  card(hook) {
    const { words, api, notify } = this.context;
    const t = words.t.bind(words);
    const state = h("div", { class: "stack" });
    const opened = h("details", null, h("summary", null, t("hooks.state")), state);
    opened.addEventListener("toggle", () => opened.open && this.present(state, () => this.state(hook, state)));
    const own = !hook.from_environment;
    return h(
      "section",
      { class: "card" },
      h(
        "div",
        { class: "card-head" },
        h(
          "div",
          null,
          h("h2", { class: "address", dir: "ltr" }, hook.target),
          h(
            "p",
            { class: "badges" },
            h(
              "span",
              { class: "badge", data: { level: hook.enabled ? "good" : "poor" } },
              t(hook.enabled ? "hooks.enabled" : "hooks.disabled"),
            ),
            h("span", { class: "badge" }, t(`hooks.format.${/** @type {"json"} */ (hook.format)}`)),
            hook.signed && h("span", { class: "badge" }, icon("key"), t("hooks.secret")),
            hook.from_environment && h("span", { class: "badge" }, t("hooks.environment")),
            hook.filter.with_plate && h("span", { class: "badge" }, t("hooks.with_plate")),
            hook.filter.cameras.map((/** @type {string} */ name) =>
              h("span", { class: "badge" }, h("bdi", null, name)),
            ),
          ),
          hook.disabled_reason && h("p", { class: "problem" }, hook.disabled_reason),
        ),
        h(
          "div",
          { class: "tools" },
          button(
            t("hooks.test"),
            () =>
              this.attempt(async () => {
                const answer = await api.send("POST", `${PATH}${hook.id}/test/`);
                const text = answer.delivered
                  ? t("hooks.test.good", { status: String(answer.status), ms: Math.round(answer.seconds * 1000) })
                  : t("hooks.test.bad", { detail: answer.detail || String(answer.status) });
                notify(text, answer.delivered ? "good" : "bad");
              }),
            { icon: "play" },
          ),
          own &&
            button(
              t(hook.enabled ? "hooks.disable" : "hooks.enable"),
              () =>
                this.attempt(async () => {
                  await (hook.enabled
                    ? api.send("PATCH", `${PATH}${hook.id}/`, { enabled: false })
                    : api.send("POST", `${PATH}${hook.id}/enable/`));
                  await this.show();
                }),
              { kind: "plain" },
            ),
          own &&
            button(t("edit"), () => this.attempt(async () => this.edit(await api.get(`${PATH}${hook.id}/`))), {
              icon: "edit",
              kind: "plain",
              hidden_label: true,
            }),
          own && button(t("delete"), () => this.discard(hook), { icon: "trash", kind: "plain", hidden_label: true }),
        ),
      ),
      h("div", { class: "pad-x" }, opened),
    );
  }

  /**
   * Counts, failures and what was not delivered.
   *
   * @param {any} hook
   * @param {Element} place
   */
  async state(hook, place) {
    const { api, words, notify } = this.context;
    const t = words.t.bind(words);
    const [{ state }, dead] = await Promise.all([api.get(`${PATH}${hook.id}/`), api.get(`${PATH}${hook.id}/dead/`)]);
    const counts = Object.entries(state).filter(([name, value]) => typeof value === "number" && name !== "failures");
    /** @param {number[]} [numbers] */
    const replay = (numbers) =>
      this.attempt(async () => {
        const { replayed } = await api.send("POST", `${PATH}${hook.id}/replay/`, numbers ? { numbers } : {});
        notify(t("hooks.replayed", { n: replayed }));
        await this.present(place, () => this.state(hook, place));
      });
    return [
      h(
        "dl",
        { class: "figures" },
        counts.map(([name, value]) =>
          h(
            "div",
            null,
            h("dt", null, name === "waiting" ? t("hooks.waiting") : name.replaceAll("_", " ")),
            h("dd", null, words.number(Number(value))),
          ),
        ),
      ),
      state.fails_without_plate && h("p", { class: "problem" }, t("hooks.fails_without_plate")),
      state.last_failures?.length > 0 && [
        h("h3", null, t("hooks.failures")),
        h(
          "ul",
          { class: "plain-list" },
          state.last_failures.map((/** @type {any} */ each) => h("li", null, failure(each, words))),
        ),
      ],
      h(
        "div",
        { class: "panel-head" },
        h("h3", null, t("hooks.dead")),
        dead.results.length > 0 && button(t("hooks.replay.all"), () => replay(), { icon: "refresh" }),
      ),
      dead.results.length === 0
        ? h("p", { class: "quiet" }, t("hooks.dead.none"))
        : h(
            "ul",
            { class: "plain-list" },
            dead.results.map((/** @type {any} */ each) =>
              h(
                "li",
                null,
                h(
                  "span",
                  null,
                  words.time(each.at),
                  " · ",
                  h("bdi", null, each.data?.camera_id ?? ""),
                  " ",
                  each.reason,
                ),
                button(t("hooks.replay"), () => replay([each.number]), { kind: "plain" }),
              ),
            ),
          ),
    ];
  }

  /** @param {any} hook null: a new one */
  edit(hook) {
    const { api, words } = this.context;
    const t = words.t.bind(words);
    const target = h("input", {
      type: "url",
      required: true,
      maxlength: 2000,
      value: hook?.target ?? "",
      placeholder: "https://example.com/plates",
      dir: "ltr",
    });
    const format = h(
      "select",
      null,
      FORMATS.map((each) => h("option", { value: each, selected: each === hook?.format }, t(`hooks.format.${each}`))),
    );
    const tick = (/** @type {boolean | undefined} */ checked) =>
      h("input", { type: "checkbox", role: "switch", checked: Boolean(checked) });
    const withPlate = tick(hook?.filter.with_plate);
    const ordered = tick(hook?.ordered);
    const signed = tick(false);
    const cameras = h("input", { type: "text", value: hook?.filter.cameras.join(", ") ?? "", list: "cameras-known" });
    const plates = h("input", { type: "text", value: hook?.filter.plates.join(", ") ?? "", dir: "ltr" });
    const lists = h("div", { class: "field" });
    this.attempt(() => this.watchLists(lists, hook?.filter.watchlists ?? []));
    dialog({
      title: hook ? hook.target : t("hooks.new"),
      submit: t("save"),
      cancel: t("cancel"),
      failed: (error) => explain(error, words),
      body: [
        field(t("hooks.target"), target, t("hooks.target.why")),
        field(t("hooks.format"), format, t("hooks.format.why")),
        field(t("hooks.with_plate"), withPlate, t("hooks.with_plate.why")),
        field(t("hooks.cameras"), cameras, t("hooks.cameras.why")),
        field(t("hooks.plates"), plates, t("hooks.plates.why")),
        lists,
        field(t("hooks.ordered"), ordered, t("hooks.ordered.why")),
        field(t("hooks.secret"), signed, t("hooks.secret.why")),
      ],
      act: async () => {
        const secret = signed.checked ? newSecret() : "";
        const chosen = [...lists.querySelectorAll("input:checked")].map(
          (each) => /** @type {HTMLInputElement} */ (each).value,
        );
        /** @type {Record<string, unknown>} */
        const filter = {
          ...hook?.filter,
          with_plate: withPlate.checked,
          cameras: listed(cameras.value),
          plates: listed(plates.value),
        };
        if (chosen.length || hook?.filter.watchlists?.length) filter.watchlists = chosen;
        /** @type {Record<string, unknown>} */
        const body = { target: target.value.trim(), format: format.value, ordered: ordered.checked, filter };
        if (secret) body.secret = secret;
        await (hook ? api.send("PATCH", `${PATH}${hook.id}/`, body) : api.send("POST", PATH, body));
        if (secret)
          dialog({
            title: t("hooks.secret"),
            body: [h("p", null, t("hooks.secret.once")), copyable(secret, this.context)],
            cancel: t("close"),
          });
        await this.show();
      },
    });
  }

  /**
   * @param {Element} place
   * @param {string[]} chosen
   */
  async watchLists(place, chosen) {
    const { api, words } = this.context;
    /** @type {import("../types.js").WatchList[]} */
    const lists = await api.list("/v1/watchlists/");
    if (!lists.length) return;
    fill(
      place,
      h("p", null, words.t("hooks.watchlists")),
      lists.map((list) =>
        h(
          "label",
          { class: "inline" },
          h("input", { type: "checkbox", value: list.id, checked: chosen.includes(list.id) }),
          h("span", { dir: "auto" }, list.name),
        ),
      ),
      h("p", { class: "why" }, words.t("hooks.watchlists.why")),
    );
  }

  /** @param {any} hook */
  discard(hook) {
    const { api, words } = this.context;
    dialog({
      title: words.t("hooks.delete", { target: hook.target }),
      body: [],
      submit: words.t("delete"),
      cancel: words.t("cancel"),
      danger: true,
      failed: (error) => explain(error, words),
      act: async () => {
        await api.send("DELETE", `${PATH}${hook.id}/`);
        await this.show();
      },
    });
  }
}
customElements.define("webhooks-panel", WebhooksPanel);

/** @param {string} text */
function listed(text) {
  return text
    .split(",")
    .map((each) => each.trim())
    .filter(Boolean);
}

function newSecret() {
  return `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(24))))}`;
}

/**
 * @param {any} each
 * @param {import("../i18n.js").Translator} words
 */
function failure(each, words) {
  if (typeof each === "string") return each;
  const { at, time, reason, detail, status } = each;
  return [(at ?? time) ? words.time(at ?? time) : "", status, reason ?? detail].filter(Boolean).join(" · ");
}
