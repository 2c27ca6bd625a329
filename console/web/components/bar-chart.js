import { button, h, s } from "../dom.js";

const WIDE = 320;
const TALL = 110;
const LISTED = 8;
/** How many times the highest column a line may be to be drawn with it. */
const IN_REACH = 3;

/**
 * Counts in order as columns: hours, days, scores. A click tells which.
 *
 * @param {{key: string, count: number}[]} buckets
 * @param {(key: string) => string} name
 * @param {{act?: (key: string) => void, line?: number}} [more] `line`: a count to compare with, drawn where it is in reach
 */
export function columns(buckets, name, { act, line = 0 } = {}) {
  const highest = Math.max(1, ...buckets.map((each) => each.count));
  const most = line && line <= IN_REACH * highest ? Math.max(highest, line) : highest;
  const step = WIDE / Math.max(1, buckets.length);
  const bars = buckets.map(({ key, count }, index) => {
    const tall = Math.max(count ? 2 : 0, (count / most) * TALL);
    const said = `${name(key)}: ${count}`;
    const choose = () => act?.(key);
    return s(
      "g",
      {
        class: "column",
        tabindex: act ? "0" : null,
        role: act ? "button" : "img",
        "aria-label": said,
        on: {
          click: choose,
          keydown: (/** @type {KeyboardEvent} */ event) => {
            if (event.key === "Enter" || event.key === " ") {
              event.preventDefault();
              choose();
            }
          },
        },
      },
      s("title", null, said),
      s("rect", { class: "reach", x: index * step, y: 0, width: step, height: TALL }),
      s("rect", {
        class: "bar",
        x: index * step + step * 0.12,
        y: TALL - tall,
        width: Math.min(step * 0.76, 36),
        height: tall,
        rx: Math.min(2, step / 4),
      }),
    );
  });
  return h(
    "figure",
    { class: "columns" },
    s(
      "svg",
      { viewBox: `0 0 ${WIDE} ${TALL}`, preserveAspectRatio: "none", role: "group" },
      bars,
      line > 0 && line <= most && rule(TALL * (1 - line / most)),
    ),
    buckets.length > 0 &&
      h(
        "figcaption",
        null,
        h("span", null, name(buckets[0].key)),
        h("span", null, name(buckets[buckets.length - 1].key)),
      ),
  );
}

/** @param {number} y */
function rule(y) {
  return s("line", { class: "rule", x1: 0, x2: WIDE, y1: y, y2: y });
}

/**
 * The largest counts as lines, the longest first.
 *
 * @param {{key: string, count: number}[]} buckets
 * @param {(key: string) => import("../dom.js").Children} name
 * @param {(count: number) => string} number
 * @param {{act?: (key: string) => void, listed?: number}} [more] `listed`: how many lines at most
 */
export function ranking(buckets, name, number, { act, listed = LISTED } = {}) {
  const most = Math.max(1, ...buckets.map((each) => each.count));
  return h(
    "ol",
    { class: "ranking" },
    buckets.slice(0, listed).map(({ key, count }) => {
      const look = { style: { "--share": count / most } };
      const content = [h("span", null, name(key)), h("b", null, number(count))];
      if (!act) return h("li", look, content);
      const line = button("", () => act(key), { kind: "plain" });
      line.replaceChildren(...content);
      return h("li", look, line);
    }),
  );
}
