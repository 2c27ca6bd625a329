import { h, s } from "../dom.js";

/**
 * A picture with what was found drawn over it. What is lit here is lit elsewhere: the event `lit` carries the index.
 *
 * @typedef {import("../try/findings.js").Finding} Finding
 */
export class PictureStage extends HTMLElement {
  constructor() {
    super();
    this.image = h("img", { alt: "", decoding: "async" });
    this.drawing = s("svg", { preserveAspectRatio: "xMidYMid meet", role: "group" });
    /** @type {Map<number, SVGGElement>} */
    this.groups = new Map();
    this.lit = -1;
  }

  connectedCallback() {
    if (!this.firstChild) this.append(this.image, this.drawing);
  }

  /**
   * @param {string} url
   * @param {string} alt
   */
  picture(url, alt) {
    if (this.image.src !== url) this.image.src = url;
    this.image.alt = alt;
  }

  clear() {
    this.drawing.replaceChildren();
    this.groups.clear();
  }

  /**
   * @param {{width: number, height: number, findings: Finding[], zones: import("../types.js").Zone[],
   *   name: (finding: Finding) => string, ignored: string}} scene
   */
  draw({ width, height, findings, zones, name, ignored }) {
    this.clear();
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    // lines and letters are as thick on a large picture as on a small one
    this.style.setProperty("--unit", String(Math.max(width, height) / 1000));
    for (const zone of zones) {
      const points = zone.polygon.map(([x, y]) => `${x * width},${y * height}`).join(" ");
      this.drawing.append(s("polygon", { class: "zone", points }, s("title", null, `${ignored} ${zone.name}`.trim())));
    }
    const unit = Math.max(width, height) / 1000;
    findings.forEach((finding, index) => {
      const group = s("g", {
        tabindex: "0",
        role: "img",
        "aria-label": name(finding),
        on: {
          pointerenter: () => this.light(index),
          pointerleave: () => this.light(-1),
          focus: () => this.light(index),
          blur: () => this.light(-1),
          click: () => this.dispatchEvent(new CustomEvent("chosen", { detail: index })),
        },
      });
      const { plate, vehicle } = finding;
      if (vehicle && vehicle.box.xmax > vehicle.box.xmin) group.append(rectangle("vehicle", vehicle.box));
      if (plate) {
        group.append(rectangle("box", plate.box));
        group.append(s("polygon", { class: "plate", points: plate.polygon.map((point) => point.join(",")).join(" ") }));
        for (const [x, y] of plate.polygon) group.append(s("circle", { class: "corner", cx: x, cy: y, r: unit * 3.2 }));
        group.append(label(plate, unit, height));
      }
      this.groups.set(index, group);
      this.drawing.append(group);
    });
  }

  /**
   * @param {number} index -1 for none
   */
  light(index) {
    if (index === this.lit) return;
    this.groups.get(this.lit)?.classList.remove("lit");
    this.groups.get(index)?.classList.add("lit");
    this.lit = index;
    this.dispatchEvent(new CustomEvent("lit", { detail: index }));
  }
}
customElements.define("picture-stage", PictureStage);

/**
 * @param {string} kind
 * @param {import("../types.js").Box} box
 */
function rectangle(kind, { xmin, ymin, xmax, ymax }) {
  return s("rect", { class: kind, x: xmin, y: ymin, width: xmax - xmin, height: ymax - ymin });
}

/**
 * The text over the plate, or under it where there is no room.
 *
 * @param {import("../try/findings.js").Plate} plate
 * @param {number} unit
 * @param {number} height
 */
function label({ box, readings }, unit, height) {
  const text = readings[0].text.toUpperCase();
  const size = unit * 22;
  const wide = text.length * size * 0.62 + size * 0.7;
  const tall = size * 1.35;
  const middle = (box.xmin + box.xmax) / 2;
  const above = box.ymin - tall - size * 0.5;
  const top = above > 0 ? above : Math.min(box.ymax + size * 0.5, height - tall);
  return s(
    "g",
    { class: "label" },
    s("rect", { x: middle - wide / 2, y: top, width: wide, height: tall, rx: size * 0.2 }),
    s("text", { x: middle, y: top + tall * 0.72, "font-size": size, "text-anchor": "middle" }, text),
  );
}
