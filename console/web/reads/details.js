import { ApiPicture, dialog, field, meter, plateChip } from "../components/parts.js";
import { button, fill, h, icon } from "../dom.js";
import { explain } from "../errors.js";
import { swatch } from "../try/finding-card.js";

/** @typedef {import("../types.js").Read} Read */

/**
 * Everything about a read.
 *
 * @param {Read} read
 * @param {import("../view.js").Context} context
 * @param {{correct: () => void, others: () => void}} acts
 */
export function details(read, context, { correct, others }) {
  const { words, api } = context;
  const t = words.t.bind(words);
  const { vehicle } = read;
  /** @type {[string, import("../dom.js").Children][]} */
  const rows = [
    [t("read.time"), words.fullTime(read.time)],
    [t("read.camera"), h("bdi", null, read.camera_id ?? "–")],
    [t("read.score"), meter(read.score, words)],
    [t("read.dscore"), meter(read.dscore, words)],
    [
      t("read.region"),
      [regionName(read.region.code, context), " ", h("small", null, words.percent(read.region.score))],
    ],
  ];
  if (vehicle) {
    rows.push([t("vehicle.type"), vehicle.type]);
    if (vehicle.make) rows.push([t("vehicle.make"), `${vehicle.make} ${vehicle.model ?? ""}`]);
    if (vehicle.color) rows.push([t("vehicle.color"), [swatch(vehicle.color), vehicle.color]]);
    if (vehicle.orientation) rows.push([t("vehicle.orientation"), vehicle.orientation]);
    if (vehicle.direction !== null && vehicle.direction !== undefined)
      rows.push([t("vehicle.direction"), `${vehicle.direction}°`]);
  }
  if (read.watchlists.length) rows.push([t("nav.watchlists"), h("bdi", null, read.watchlists.join(", "))]);
  if (read.seen_before) rows.push([t("read.seen"), words.number(read.seen_before)]);
  rows.push([t("read.id"), h("code", { dir: "ltr" }, read.id)]);
  const shown = dialog({
    title: t("read.details"),
    cancel: t("close"),
    wide: true,
    body: h(
      "div",
      { class: "read-details" },
      h(
        "div",
        { class: "stack" },
        read.image.vehicle && new ApiPicture(api, read.image.vehicle, t("read.vehicle.picture")),
        read.image.plate && new ApiPicture(api, read.image.plate, t("plate.name", { plate: read.plate.toUpperCase() })),
        plateChip(read.correction?.plate ?? read.plate, "big"),
        read.correction && correctionNote(read, words),
        h(
          "div",
          { class: "actions" },
          button(t("read.correct"), () => close(correct), { icon: "edit" }),
          button(t("read.others"), () => close(others), { icon: "filter" }),
        ),
      ),
      h(
        "dl",
        { class: "facts one" },
        rows.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))),
      ),
    ),
  });
  /** @param {() => void} then */
  function close(then) {
    shown.close();
    then();
  }
}

/**
 * @param {Read} read
 * @param {import("../i18n.js").Translator} words
 */
export function correctionNote(read, words) {
  const changed = read.correction?.plate && read.correction.plate !== read.plate;
  return h(
    "span",
    { class: "badge", data: { level: changed ? "fair" : "good" } },
    icon(changed ? "edit" : "check"),
    changed ? words.t("read.corrected", { plate: read.plate.toUpperCase() }) : words.t("read.accepted"),
  );
}

/**
 * @param {string} code
 * @param {import("../view.js").Context} context
 */
export function regionName(code, { store, words }) {
  if (code === "unknown") return "–";
  return store.get("regions").find((each) => each.code === code)?.name ?? words.country(code);
}

/**
 * Puts a read right.
 *
 * @param {Read} read
 * @param {import("../view.js").Context} context
 * @param {(correction: import("../types.js").Correction | null) => Promise<void>} keep null: what was kept is wrong
 */
export function correctionForm(read, context, keep) {
  const { words, api } = context;
  const t = words.t.bind(words);
  const kept = read.correction ?? {};
  const before = {
    plate: kept.plate ?? read.plate,
    region: kept.region ?? read.region.code,
    make: kept.make ?? read.vehicle?.make ?? "",
    color: kept.color ?? read.vehicle?.color ?? "",
  };
  /** @param {keyof typeof before} name @param {number} most */
  const input = (name, most) =>
    h("input", { type: "text", name, value: before[name], maxlength: most, spellcheck: "false", autocomplete: "off" });
  const plate = input("plate", 20);
  plate.classList.add("plate-input");
  plate.dir = "ltr";
  plate.required = true;
  const fields = { plate, region: input("region", 20), make: input("make", 60), color: input("color", 30) };
  const shown = dialog({
    title: t("read.correct"),
    submit: t("save"),
    cancel: t("cancel"),
    failed: (error) => explain(error, words),
    body: [
      read.image.plate && new ApiPicture(api, read.image.plate, ""),
      field(t("read.plate"), fields.plate, t("read.correct.why")),
      h(
        "div",
        { class: "columns-3" },
        field(t("read.region"), fields.region),
        field(t("vehicle.make"), fields.make),
        field(t("vehicle.color"), fields.color),
      ),
      read.correction &&
        button(
          t("read.correction.remove"),
          async () => {
            try {
              await keep(null);
              shown.close();
            } catch (error) {
              context.notify(explain(error, words), "bad");
            }
          },
          { icon: "trash", kind: "plain" },
        ),
    ],
    act: () => {
      /** @type {import("../types.js").Correction} */
      const correction = { accepted: true };
      for (const [name, each] of Object.entries(fields)) {
        const value = name === "make" ? each.value.trim() : each.value.trim().toLowerCase();
        const recognised = name === "plate" ? read.plate : name === "region" ? read.region.code : "";
        if (value && value !== recognised && value !== original(read, name))
          Object.assign(correction, { [name]: value });
      }
      return keep(correction);
    },
  });
  fields.plate.select();
}

/**
 * @param {Read} read
 * @param {string} name
 */
function original(read, name) {
  return name === "make" ? read.vehicle?.make : name === "color" ? read.vehicle?.color : undefined;
}

/**
 * The keys of the list, and what they do.
 *
 * @param {import("../view.js").Context} context
 */
export function keysHelp({ words }) {
  const t = words.t.bind(words);
  /** @type {[string, string][]} */
  const keys = [
    ["↓ ↑ / J K", t("keys.move")],
    ["Enter", t("keys.open")],
    ["N", t("keys.doubtful")],
    ["A", t("keys.accept")],
    ["C", t("keys.correct")],
    ["/", t("keys.search")],
    ["L", t("keys.live")],
  ];
  const list = h("dl", { class: "keys" });
  fill(
    list,
    keys.map(([key, what]) => h("div", null, h("dt", null, h("kbd", null, key)), h("dd", null, what))),
  );
  dialog({ title: t("keys"), body: list, cancel: t("close") });
}
