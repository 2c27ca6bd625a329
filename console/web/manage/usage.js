import { withQuery } from "../api.js";
import { columns, ranking } from "../components/bar-chart.js";
import { field } from "../components/parts.js";
import { button, fill, h } from "../dom.js";
import { View } from "../view.js";

/**
 * @typedef {object} Month as `/v1/usage/` tells it
 * @property {string} month
 * @property {number} calls
 * @property {number} max_calls
 * @property {{day: string, calls: number}[]} days
 * @property {{name: string, calls: number, max_calls: number}[]} tokens
 */

/** The calls of a month by day and by token, against what is allowed. */
export class UsagePanel extends View {
  /** @param {import("../view.js").Context} context */
  constructor(context) {
    super(context);
    const now = new Date();
    const months = [0, 1].map((back) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back)));
    /** Whose days are shown; empty for those of the token that the page uses. */
    this.token = "";
    this.month = h(
      "select",
      null,
      months.map((month) =>
        h(
          "option",
          { value: month.toISOString().slice(0, 7) },
          new Intl.DateTimeFormat(context.words.locale, { month: "long", year: "numeric", timeZone: "UTC" }).format(
            month,
          ),
        ),
      ),
    );
    this.month.addEventListener("change", () => this.show());
    this.place = h("div", { class: "stack" });
    fill(this, h("div", { class: "panel-head" }, field(context.words.t("usage.month"), this.month)), this.place);
  }

  shown() {
    this.show();
  }

  /** @param {string} [token] */
  show(token = this.token) {
    this.token = token;
    const { api } = this.context;
    return this.present(this.place, async () =>
      this.parts(await api.get(withQuery("/v1/usage/", { month: this.month.value, token }), this.lifetime.signal)),
    );
  }

  /** @param {Month} usage */
  parts({ month, calls, max_calls: most, days, tokens }) {
    const { words } = this.context;
    const t = words.t.bind(words);
    const [year, number] = month.split("-").map(Number);
    const length = new Date(Date.UTC(year, number, 0)).getUTCDate();
    const share = most ? Math.min(1, calls / most) : 0;
    return [
      h(
        "section",
        { class: "card pad quota", data: { level: share >= 0.95 ? "poor" : share >= 0.8 ? "fair" : "good" } },
        this.token && h("h2", null, h("bdi", null, this.token)),
        h("p", { class: "figure" }, t("usage.about", { calls, max: most })),
        h("progress", { max: 1, value: String(share), "aria-label": t("manage.usage") }),
        h("p", { class: "why" }, t("usage.resets", { day: this.day(`${nextMonth(year, number)}-01`) })),
        this.token && button(t("usage.own"), () => this.show(""), { kind: "plain" }),
      ),
      h(
        "div",
        { class: "charts" },
        h(
          "section",
          { class: "card pad" },
          h("h2", null, t("usage.days")),
          columns(
            days.map(({ day, calls: count }) => ({ key: day, count })),
            (day) => this.day(day),
            { line: most / length },
          ),
          h("p", { class: "why" }, t("usage.even", { n: Math.floor(most / length) })),
        ),
        tokens.length > 0 &&
          h(
            "section",
            { class: "card pad" },
            h("h2", null, t("usage.tokens")),
            ranking(
              [...tokens].sort((a, b) => b.calls - a.calls).map((each) => ({ key: each.name, count: each.calls })),
              (name) => h("bdi", null, name),
              (count) => words.number(count),
              { act: (name) => this.show(name), listed: tokens.length },
            ),
          ),
      ),
    ];
  }

  /** @param {string} day */
  day(day) {
    return new Intl.DateTimeFormat(this.context.words.locale, { dateStyle: "medium", timeZone: "UTC" }).format(
      new Date(`${day}T00:00:00Z`),
    );
  }
}
customElements.define("usage-panel", UsagePanel);

/**
 * @param {number} year
 * @param {number} month 1 to 12
 */
function nextMonth(year, month) {
  return new Date(Date.UTC(year, month)).toISOString().slice(0, 7);
}
