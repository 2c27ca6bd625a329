import { ApiError } from "../api.js";
import { button, fill, h, s } from "../dom.js";
import { explain } from "../errors.js";
import { findings } from "../try/findings.js";
import { form } from "../try/options.js";

/** @typedef {import("../types.js").Zone} Zone */

const WIDE = 1600;
const STEP = 0.005;
/** How near the first corner a click has to be to close the polygon, in parts of the width. */
const NEAR = 0.02;
const MOST_ZONES = 50;
const MOST_CORNERS = 100;

/** Polygons drawn over a camera's picture; corners are fractions of its width and height. */
export class ZoneEditor extends HTMLElement {
  /**
   * @param {import("../view.js").Context} context
   * @param {import("./cameras.js").Camera} camera
   */
  constructor(context, camera) {
    super();
    this.context = context;
    this.camera = camera;
    /** @type {Zone[]} */
    this.zones = structuredClone(camera.zones);
    /** Corners of the polygon that is being drawn. @type {[number, number][]} */
    this.open = [];
    /** @type {{zone: number, corner: number} | null} */
    this.held = null;
    this.ratio = 9 / 16;
    /** @type {Blob | null} */
    this.picture = null;
    /** @type {{x: number, y: number, ignored: boolean}[]} */
    this.tried = [];
    const t = context.words.t.bind(context.words);
    this.image = h("img", { alt: camera.camera_id });
    this.drawing = s("svg", { role: "group", "aria-label": t("zones.title", { camera: camera.camera_id }) });
    this.frame = h("div", { class: "zone-frame" }, this.image, this.drawing);
    this.names = h("div", { class: "stack tight" });
    this.said = h("p", { role: "status", class: "why" });
    const picker = h("input", { type: "file", accept: "image/*", hidden: true, "aria-label": t("zones.picture") });
    picker.addEventListener("change", () => picker.files?.[0] && this.use(picker.files[0]));
    this.tryButton = button(t("zones.try"), () => this.try(), { icon: "try", disabled: true });
    fill(
      this,
      h("p", { class: "why" }, t("zones.about")),
      this.frame,
      h(
        "div",
        { class: "tools" },
        button(
          t("zones.rectangle"),
          () =>
            this.add([
              [0.35, 0.35],
              [0.65, 0.35],
              [0.65, 0.65],
              [0.35, 0.65],
            ]),
          { icon: "plus" },
        ),
        button(t("zones.picture"), () => picker.click(), { icon: "upload", kind: "plain" }),
        this.tryButton,
        picker,
      ),
      this.said,
      this.names,
    );
    this.image.addEventListener("load", () => {
      this.ratio = this.image.naturalHeight / this.image.naturalWidth;
      this.frame.style.setProperty("--ratio", String(1 / this.ratio));
      this.draw();
      this.tryButton.disabled = false; // not before: the picture's shape moves what is drawn
    });
    this.drawing.addEventListener("pointerdown", (event) => this.press(event));
    this.drawing.addEventListener("pointermove", (event) => this.drag(event));
    this.drawing.addEventListener("pointerup", () => {
      this.held = null;
    });
    this.drawing.addEventListener("keydown", (event) => this.key(event));
    this.draw();
    this.load();
  }

  async load() {
    if (!this.camera.picture) return;
    try {
      this.use(await (await this.context.api.fetch(this.camera.picture, {})).blob());
    } catch (error) {
      if (!(error instanceof ApiError && error.missing)) this.said.textContent = explain(error, this.context.words);
    }
  }

  /** @param {Blob} picture */
  use(picture) {
    this.picture = picture;
    this.tried = [];
    this.tryButton.disabled = true;
    URL.revokeObjectURL(this.image.src);
    this.image.src = URL.createObjectURL(picture);
  }

  disconnectedCallback() {
    URL.revokeObjectURL(this.image.src);
  }

  /** @param {[number, number][]} polygon */
  add(polygon) {
    if (this.zones.length >= MOST_ZONES) return;
    this.zones.push({ name: "", polygon });
    this.open = [];
    this.draw();
  }

  /**
   * @param {PointerEvent} event
   * @returns {[number, number]}
   */
  point(event) {
    const area = this.drawing.getBoundingClientRect();
    return [clamp((event.clientX - area.left) / area.width), clamp((event.clientY - area.top) / area.height)];
  }

  /** @param {PointerEvent} event */
  press(event) {
    const { zone, corner } = /** @type {SVGElement} */ (event.target).dataset;
    if (zone !== undefined && corner !== undefined) {
      this.held = { zone: Number(zone), corner: Number(corner) };
      this.drawing.setPointerCapture(event.pointerId);
      return;
    }
    const [x, y] = this.point(event);
    const [first] = this.open;
    if (first && this.open.length > 2 && Math.hypot(first[0] - x, (first[1] - y) * this.ratio) < NEAR)
      this.add(this.open);
    else if (this.open.length < MOST_CORNERS) {
      this.open.push([x, y]);
      this.draw();
    }
  }

  /** @param {PointerEvent} event */
  drag(event) {
    if (!this.held) return;
    this.zones[this.held.zone].polygon[this.held.corner] = this.point(event);
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { zone, corner } = /** @type {SVGElement} */ (event.target).dataset;
    if (zone === undefined || corner === undefined) return;
    const { polygon } = this.zones[Number(zone)];
    const moves = /** @type {Record<string, [number, number]>} */ ({
      ArrowLeft: [-STEP, 0],
      ArrowRight: [STEP, 0],
      ArrowUp: [0, -STEP],
      ArrowDown: [0, STEP],
    });
    const move = moves[event.key];
    if (move) {
      const [x, y] = polygon[Number(corner)];
      polygon[Number(corner)] = [clamp(x + move[0]), clamp(y + move[1])];
    } else if (event.key === "Delete" && polygon.length > 3) polygon.splice(Number(corner), 1);
    else return;
    event.preventDefault();
    this.draw();
    const again = this.drawing.querySelector(`[data-zone="${zone}"][data-corner="${corner}"]`);
    if (again instanceof SVGElement) again.focus();
  }

  /** Reads the picture without zones, and says which plates these would leave out. Nothing is saved. */
  async try() {
    const { api, words } = this.context;
    if (!this.picture) return;
    this.tryButton.disabled = true;
    try {
      const answer = await api.upload("/v1/plate-reader/", form(this.picture, "zones.jpg", {}));
      this.tried = findings(answer).flatMap(({ plate }) => {
        if (!plate) return [];
        const x = (plate.box.xmin + plate.box.xmax) / 2 / answer.image_width;
        const y = (plate.box.ymin + plate.box.ymax) / 2 / answer.image_height;
        return [{ x, y, ignored: this.zones.some((zone) => within(zone.polygon, x, y)) }];
      });
      const ignored = this.tried.filter((each) => each.ignored).length;
      this.said.textContent = words.t("zones.tried", { n: this.tried.length - ignored, ignored });
      this.draw();
    } catch (error) {
      this.said.textContent = explain(error, words);
    } finally {
      this.tryButton.disabled = false;
    }
  }

  draw() {
    const { words } = this.context;
    const tall = WIDE * this.ratio;
    this.drawing.setAttribute("viewBox", `0 0 ${WIDE} ${tall}`);
    /** @param {[number, number][]} polygon */
    const points = (polygon) => polygon.map(([x, y]) => `${x * WIDE},${y * tall}`).join(" ");
    const focused = document.activeElement;
    fill(
      this.drawing,
      this.zones.flatMap(({ polygon, name }, zone) => [
        s("polygon", { class: "zone", points: points(polygon) }, s("title", null, name)),
        ...polygon.map(([x, y], corner) =>
          s("circle", {
            class: "handle",
            cx: x * WIDE,
            cy: y * tall,
            r: 12,
            tabindex: "0",
            role: "button",
            "aria-label": `${name || words.t("zones.new")}, ${words.t("zones.corner", { n: corner + 1 })}`,
            data: { zone, corner },
          }),
        ),
      ]),
      this.open.length > 0 && s("polyline", { class: "zone open", points: points(this.open) }),
      this.open.map(([x, y], index) =>
        s("circle", { class: index ? "handle" : "handle first", cx: x * WIDE, cy: y * tall, r: 10 }),
      ),
      this.tried.map(({ x, y, ignored }) =>
        s("circle", { class: ignored ? "tried ignored" : "tried", cx: x * WIDE, cy: y * tall, r: 26 }),
      ),
    );
    if (this.names.childElementCount !== this.zones.length || !this.names.contains(focused)) this.drawNames();
  }

  drawNames() {
    const t = this.context.words.t.bind(this.context.words);
    fill(
      this.names,
      this.zones.map((zone, index) => {
        const name = h("input", {
          type: "text",
          value: zone.name,
          maxlength: 100,
          dir: "auto",
          "aria-label": t("zones.name"),
          placeholder: `${t("zones.name")} ${index + 1}`,
        });
        name.addEventListener("input", () => {
          zone.name = name.value;
        });
        return h(
          "div",
          { class: "zone-row" },
          name,
          button(
            t("delete"),
            () => {
              this.zones.splice(index, 1);
              this.draw();
              this.drawNames();
            },
            { icon: "trash", kind: "plain", hidden_label: true },
          ),
        );
      }),
    );
  }
}
customElements.define("zone-editor", ZoneEditor);

/** @param {number} value */
function clamp(value) {
  return Math.min(1, Math.max(0, value));
}

/**
 * Whether a point lies in a polygon, by the even-odd rule.
 *
 * @param {[number, number][]} polygon
 * @param {number} x
 * @param {number} y
 */
function within(polygon, x, y) {
  let inside = false;
  polygon.forEach(([x1, y1], index) => {
    const [x2, y2] = polygon[(index + 1) % polygon.length];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
  });
  return inside;
}
