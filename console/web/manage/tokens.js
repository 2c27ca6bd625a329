import { copyable, dialog, field, scroller } from "../components/parts.js";
import { button, fill, h } from "../dom.js";
import { explain } from "../errors.js";
import { View } from "../view.js";

const PATH = "/v1/tokens/";

/** Tokens: made, limited, revoked. */
export class TokensPanel extends View {
  /** @param {import("../view.js").Context} context */
  constructor(context) {
    super(context);
    const t = context.words.t.bind(context.words);
    this.list = h("div", { class: "card" });
    fill(
      this,
      h(
        "div",
        { class: "panel-head" },
        h("p", { class: "quiet" }, t("tokens.about")),
        button(t("tokens.new"), () => this.edit(null), { icon: "plus", kind: "primary" }),
      ),
      this.list,
    );
  }

  shown() {
    this.show();
  }

  show() {
    const { api, words } = this.context;
    const t = words.t.bind(words);
    return this.present(this.list, async () => {
      const tokens = await api.list(PATH, this.lifetime.signal);
      if (!tokens.length) return h("p", { class: "empty" }, t("tokens.none"));
      const heads = [t("tokens.name"), t("tokens.rate"), t("tokens.calls"), t("tokens.used"), ""];
      return scroller(
        t("manage.tokens"),
        h(
          "table",
          null,
          h(
            "thead",
            null,
            h(
              "tr",
              null,
              heads.map((text, index) =>
                text ? h("th", { scope: "col", class: index && index < 4 ? "number" : "" }, text) : h("td", null),
              ),
            ),
          ),
          h(
            "tbody",
            null,
            tokens.map((token) =>
              h(
                "tr",
                null,
                h("td", null, h("bdi", null, token.name)),
                h("td", { class: "number" }, limit(token.rate_limit, words)),
                h("td", { class: "number" }, limit(token.max_calls, words)),
                h("td", { class: "number" }, token.calls === undefined ? "–" : words.number(token.calls)),
                h(
                  "td",
                  { class: "number" },
                  button(t("edit"), () => this.edit(token), { icon: "edit", kind: "plain", hidden_label: true }),
                  button(t("tokens.revoke"), () => this.revoke(token), {
                    icon: "trash",
                    kind: "plain",
                    hidden_label: true,
                  }),
                ),
              ),
            ),
          ),
        ),
      );
    });
  }

  /** @param {any} token null: a new one */
  edit(token) {
    const { api, words } = this.context;
    const t = words.t.bind(words);
    const name = h("input", {
      type: "text",
      required: true,
      maxlength: 100,
      value: token?.name ?? "",
      disabled: Boolean(token),
      dir: "auto",
    });
    const rate = h("input", { type: "number", min: 0, max: 10_000, value: String(token?.rate_limit ?? "") });
    const calls = h("input", { type: "number", min: 0, max: 1_000_000_000, value: String(token?.max_calls ?? "") });
    dialog({
      title: token?.name ?? t("tokens.new"),
      submit: t("save"),
      cancel: t("cancel"),
      failed: (error) => explain(error, words),
      body: [
        field(t("tokens.name"), name),
        h(
          "div",
          { class: "columns-2" },
          field(t("tokens.rate"), rate, t("tokens.rate.why")),
          field(t("tokens.calls"), calls, t("tokens.calls.why")),
        ),
      ],
      act: async () => {
        const limits = { rate_limit: whole(rate.value), max_calls: whole(calls.value) };
        if (token) await api.send("PATCH", `${PATH}${encodeURIComponent(token.name)}`, limits);
        else {
          const made = await api.send("POST", PATH, { name: name.value.trim(), ...limits });
          dialog({
            title: made.name,
            body: [h("p", null, t("tokens.once")), copyable(made.token, this.context)],
            cancel: t("close"),
          });
        }
        await this.show();
      },
    });
  }

  /** @param {any} token */
  revoke(token) {
    const { api, words } = this.context;
    dialog({
      title: words.t("tokens.revoke"),
      body: h("p", null, words.t("tokens.revoke.why", { name: token.name })),
      submit: words.t("tokens.revoke"),
      cancel: words.t("cancel"),
      danger: true,
      failed: (error) => explain(error, words),
      act: async () => {
        await api.send("DELETE", `${PATH}${encodeURIComponent(token.name)}`);
        await this.show();
      },
    });
  }
}
customElements.define("tokens-panel", TokensPanel);

/** @param {string} text */
function whole(text) {
  return text === "" ? null : Number(text);
}

/**
 * @param {number | null | undefined} value
 * @param {import("../i18n.js").Translator} words
 */
function limit(value, words) {
  return value === null || value === undefined ? "–" : words.number(value);
}
