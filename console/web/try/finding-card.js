import { characterBars, dialog, meter, plateChip } from "../components/parts.js";
import { h, s } from "../dom.js";

/** @typedef {import("./findings.js").Finding} Finding */

const MARGIN = 0.25;

/**
 * What was found, beside the picture.
 *
 * @param {Finding} finding
 * @param {HTMLImageElement} picture
 * @param {import("../view.js").Context} context
 */
export function findingCard(finding, picture, { words, store }) {
  const { plate, vehicle } = finding;
  const t = words.t.bind(words);
  const regionName = (/** @type {string} */ code) =>
    store.get("regions").find((each) => each.code === code)?.name ?? words.country(code);
  const card = h("article", { class: "finding", tabindex: "0" });
  if (plate) {
    const [best, ...others] = plate.readings;
    card.append(
      h(
        "header",
        null,
        cropButton(picture, plate.box, best.text, words),
        h(
          "div",
          null,
          plateChip(best.text),
          meter(best.score, words),
          plate.regions[0] &&
            plate.regions[0].code !== "unknown" &&
            h(
              "p",
              { class: "region" },
              h("abbr", { title: regionName(plate.regions[0].code) }, plate.regions[0].code.toUpperCase()),
              h("span", null, regionName(plate.regions[0].code)),
              h("small", null, words.percent(plate.regions[0].score)),
            ),
        ),
      ),
    );
    if (best.characters.length) card.append(characterBars(best.characters, words));
    if (others.length)
      card.append(
        h(
          "details",
          { class: "candidates" },
          h("summary", null, t("candidates", { n: others.length })),
          h(
            "ol",
            null,
            others.map((each) =>
              h(
                "li",
                null,
                plateChip(each.text, "small"),
                meter(each.score, words),
                each.characters.length > 0 && characterBars(each.characters, words),
              ),
            ),
          ),
        ),
      );
  } else {
    card.append(h("p", { class: "quiet" }, t("noplate")));
  }
  if (vehicle) card.append(facts(finding, vehicle, words));
  return card;
}

/**
 * @param {Finding} finding
 * @param {import("./findings.js").Vehicle} vehicle
 * @param {import("../i18n.js").Translator} words
 */
function facts(finding, vehicle, words) {
  const t = words.t.bind(words);
  /** @type {[string, import("../dom.js").Children, number | null][]} */
  const rows = [[t("vehicle.type"), vehicle.type, vehicle.score]];
  const [make] = vehicle.makes;
  if (make) rows.push([t("vehicle.make"), [make.name, vehicle.years && ` (${vehicle.years})`], make.score]);
  const [color] = vehicle.colors;
  if (color) rows.push([t("vehicle.color"), [swatch(color.name), color.name], color.score]);
  const [side] = vehicle.orientations;
  if (side) rows.push([t("vehicle.orientation"), side.name, side.score]);
  if (finding.direction !== null)
    rows.push([t("vehicle.direction"), [compass(finding.direction), `${finding.direction}°`], finding.directionScore]);
  return h(
    "dl",
    { class: "facts" },
    rows.map(([name, value, score]) =>
      h(
        "div",
        null,
        h("dt", null, name),
        h("dd", null, value, score !== null && h("small", null, words.percent(score))),
      ),
    ),
  );
}

/** @param {string} color */
export function swatch(color) {
  return h("i", { class: "swatch", data: { color }, "aria-hidden": "true" });
}

/** @param {number} degrees 0 to the right, counted against the clock, as the API does */
function compass(degrees) {
  return s(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" },
    s("path", { d: "M4 12h15M13 6l6 6l-6 6", transform: `rotate(${-degrees} 12 12)` }),
  );
}

/**
 * The plate cut out of the picture; a click shows it large.
 *
 * @param {HTMLImageElement} picture
 * @param {import("../types.js").Box} box
 * @param {string} text
 * @param {import("../i18n.js").Translator} words
 */
function cropButton(picture, box, text, words) {
  const small = crop(picture, box, 200);
  const name = words.t("zoom", { plate: text.toUpperCase() });
  return h(
    "button",
    {
      type: "button",
      class: "crop",
      title: name,
      "aria-label": name,
      on: {
        click: () =>
          dialog({
            title: text.toUpperCase(),
            body: h("div", { class: "zoomed" }, crop(picture, box, 1600)),
            cancel: words.t("close"),
            wide: true,
          }),
      },
    },
    small,
  );
}

/**
 * @param {HTMLImageElement} picture
 * @param {import("../types.js").Box} box
 * @param {number} width of the drawing, pixels
 */
export function crop(picture, { xmin, ymin, xmax, ymax }, width) {
  const [dx, dy] = [(xmax - xmin) * MARGIN, (ymax - ymin) * MARGIN];
  const [x, y] = [Math.max(0, xmin - dx), Math.max(0, ymin - dy)];
  const wide = Math.min(picture.naturalWidth, xmax + dx) - x;
  const tall = Math.min(picture.naturalHeight, ymax + dy) - y;
  const canvas = h("canvas", { width, height: Math.max(1, Math.round((width * tall) / wide)) });
  const context = canvas.getContext("2d");
  if (context && wide > 0 && tall > 0) {
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, x, y, wide, tall, 0, 0, canvas.width, canvas.height);
  }
  return canvas;
}
