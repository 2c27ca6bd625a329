/** Health: the pipeline as it runs. */

import { scroller } from "../components/parts.js";
import { button, fill, h, icon, s } from "../dom.js";
import { View as Base } from "../view.js";

const EVERY_MS = 5000;
/** Where each service stands in the drawing, on a grid of columns and rows. @type {Record<string, [number, number]>} */
const PLACES = {
  gateway: [0, 1],
  detector: [1, 1],
  ocr: [2, 0],
  attributes: [2, 2],
  aggregator: [3, 1],
  webhook_svc: [4, 0],
  reads: [4, 2],
};
/** @type {[string, string][]} */
const FLOWS = [
  ["gateway", "detector"],
  ["detector", "ocr"],
  ["detector", "attributes"],
  ["ocr", "aggregator"],
  ["attributes", "aggregator"],
  ["aggregator", "webhook_svc"],
  ["aggregator", "reads"],
];
const BOX = { wide: 132, tall: 52 };
/** Distance between neighbours along the flow, and across it, when it runs to the right or, on narrow screens, down. */
const RIGHT = { along: 178, across: 66 };
const DOWN = { along: 92, across: 88 };
const NARROW = matchMedia("(max-width: 560px)");
const LEVELS = /** @type {Record<string, string>} */ ({ ok: "good", warn: "fair", fail: "poor" });

class HealthView extends Base {
  /** @param {import("../view.js").Context} context */
  constructor(context) {
    super(context);
    const t = context.words.t.bind(context.words);
    this.place = h("div", { class: "stack" });
    this.moment = h("p");
    fill(
      this,
      h(
        "div",
        { class: "head" },
        h("div", null, h("h1", null, t("nav.health")), h("p", null, t("health.about"))),
        h(
          "div",
          { class: "tools" },
          this.moment,
          button(t("again"), () => this.show(), { icon: "refresh", kind: "plain", hidden_label: true }),
        ),
      ),
      this.place,
    );
  }

  /** @param {AbortSignal} signal */
  shown(signal) {
    this.show();
    const timer = setInterval(() => document.hidden || this.show(), EVERY_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  show() {
    const { api, words } = this.context;
    return this.present(this.place, async () => {
      const health = await api.get("/v1/health/pipeline", this.lifetime.signal);
      this.moment.textContent = words.t("health.updated", { time: words.time(new Date()) });
      return this.parts(health);
    });
  }

  /** @param {any} health */
  parts(health) {
    const { words } = this.context;
    const t = words.t.bind(words);
    const all = ["services", "queues", "latency", "models", "streams", "errors"].flatMap((name) => health[name] ?? []);
    if (health.disk) all.push(health.disk);
    const wrong = all.filter((each) => each.status && each.status !== "ok");
    const worst = wrong.some((each) => each.status === "fail") ? "fail" : wrong.length ? "warn" : "ok";
    return [
      h(
        "section",
        { class: "card pad verdict", data: { level: LEVELS[worst] } },
        icon(worst === "ok" ? "check" : "warn"),
        h(
          "div",
          null,
          h("h2", null, t(`health.${worst}`)),
          wrong.map((each) =>
            h("p", null, h("b", null, each.name ?? each.stage ?? each.service ?? t("health.disk")), " ", each.advice),
          ),
        ),
      ),
      health.services &&
        h("section", { class: "card pad" }, h("h2", null, t("health.pipeline")), this.pipeline(health)),
      h(
        "div",
        { class: "charts" },
        this.table(health.queues, "health.queues", (each) => [each.name, words.number(each.waiting ?? 0)]),
        this.table(
          health.latency,
          "health.latency",
          (each) => [
            each.stage,
            `${words.number(Math.round(each.p50_ms))} / ${words.number(Math.round(each.p95_ms))} ms`,
          ],
          "p50 / p95",
        ),
        this.table(health.models, "health.models", (each) => [
          each.name,
          each.batch_sizes?.length ? t("health.batch", { n: Math.max(...each.batch_sizes) }) : "",
        ]),
        this.table(health.streams, "health.streams", (each) => [
          each.name,
          [
            h("span", null, t("health.messages", { n: each.messages ?? 0 }), " · ", words.bytes(each.bytes ?? 0)),
            each.max_bytes > 0 && gauge(each.bytes / each.max_bytes, words),
          ],
        ]),
        health.disk &&
          this.table([health.disk], "health.disk", (each) => [
            each.path ?? "",
            [
              h("span", null, `${words.bytes(each.used_bytes)} / ${words.bytes(each.total_bytes)}`),
              gauge(each.used_bytes / each.total_bytes, words),
            ],
          ]),
        this.table(health.errors, "health.errors", (each) => [
          `${each.service} ${each.event}`,
          [words.number(each.count), " · ", each.last ? words.ago(each.last) : ""],
        ]),
      ),
    ];
  }

  /**
   * @param {any[] | undefined} entries
   * @param {import("../i18n.js").Key} title
   * @param {(entry: any) => [string, import("../dom.js").Children]} cells
   * @param {string} [note]
   */
  table(entries, title, cells, note) {
    const { words } = this.context;
    if (!entries) return null;
    return h(
      "section",
      { class: "card pad" },
      h("h2", null, words.t(title), note && h("small", null, ` ${note}`)),
      entries.length === 0 && h("p", { class: "quiet" }, words.t("health.noerrors")),
      h(
        "dl",
        { class: "lines" },
        entries.map((entry) => {
          const [name, value] = cells(entry);
          return h(
            "div",
            { data: { level: LEVELS[entry.status] ?? "" } },
            h("dt", null, h("bdi", null, name)),
            h("dd", null, value),
            entry.status && entry.status !== "ok" && entry.advice && h("dd", { class: "advice" }, entry.advice),
          );
        }),
      ),
    );
  }

  /** @param {any} health */
  pipeline(health) {
    const { words } = this.context;
    const services = new Map(health.services.map((/** @type {any} */ each) => [each.name, each]));
    const down = NARROW.matches;
    const { along, across } = down ? DOWN : RIGHT;
    const place = (/** @type {string} */ name) => {
      const [column, row] = PLACES[name];
      return down ? [row * across, column * along] : [column * along, row * across];
    };
    const [wide, tall] = down ? [2 * across, 4 * along] : [4 * along, 2 * across];
    const drawing = s(
      "svg",
      {
        class: down ? "pipeline down" : "pipeline",
        viewBox: `-2 -2 ${wide + BOX.wide + 4} ${tall + BOX.tall + 4}`,
        role: "group",
        "aria-label": words.t("health.pipeline"),
      },
      FLOWS.map(([from, to]) => {
        return s("path", {
          class: "flow",
          d: down ? flowDown(place(from), place(to)) : flowRight(place(from), place(to)),
        });
      }),
      Object.keys(PLACES).map((name) => {
        const service = services.get(name);
        const replicas = Number(service?.replicas ?? 0);
        const said = words.t("health.replicas", { n: replicas });
        const [x, y] = place(name);
        return s(
          "g",
          {
            class: "service",
            role: "img",
            "aria-label": `${name}, ${said}`,
            data: { level: LEVELS[service?.status] ?? "poor" },
          },
          s("rect", { x, y, width: BOX.wide, height: BOX.tall, rx: 9 }),
          s("circle", { cx: x + 16, cy: y + 20, r: 4.5 }),
          s("text", { x: x + 28, y: y + 24.5, class: "name" }, name),
          s("text", { x: x + 28, y: y + 41, class: "replicas" }, said),
        );
      }),
    );
    const others = health.services.filter((/** @type {any} */ each) => !(each.name in PLACES));
    return [
      scroller(words.t("health.pipeline"), drawing),
      others.length > 0 &&
        h(
          "p",
          { class: "badges" },
          others.map((/** @type {any} */ each) =>
            h(
              "span",
              { class: "badge", data: { level: LEVELS[each.status] ?? "poor" } },
              `${each.name} · ${words.t("health.replicas", { n: Number(each.replicas ?? 0) })}`,
            ),
          ),
        ),
    ];
  }
}
customElements.define("health-view", HealthView);

export { HealthView as View };

/**
 * The line from one box to the next one on its right, as the `d` of a path.
 *
 * @param {number[]} from
 * @param {number[]} to
 */
function flowRight([fromX, fromY], [x2, toY]) {
  const [x1, y1, y2] = [fromX + BOX.wide, fromY + BOX.tall / 2, toY + BOX.tall / 2];
  const middle = (x1 + x2) / 2;
  return `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
}

/**
 * The line from one box to the next one below it.
 *
 * @param {number[]} from
 * @param {number[]} to
 */
function flowDown([fromX, fromY], [toX, y2]) {
  const [x1, y1, x2] = [fromX + BOX.wide / 2, fromY + BOX.tall, toX + BOX.wide / 2];
  const middle = (y1 + y2) / 2;
  return `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`;
}

/**
 * @param {number} share
 * @param {import("../i18n.js").Translator} words
 */
function gauge(share, words) {
  const level = share > 0.9 ? "poor" : share > 0.75 ? "fair" : "good";
  return h(
    "span",
    { class: "meter", data: { level } },
    h("i", { style: { "--share": Math.min(1, share) }, "aria-hidden": "true" }),
    h("span", null, words.percent(share)),
  );
}
