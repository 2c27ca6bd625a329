/**
 * Every option of the engine: the one list that controls, requests and examples are made of.
 *
 * @typedef {object} Option
 * @property {string} name of the field, or of the key in `config`
 * @property {"field" | "config"} place
 * @property {"flag" | "choice" | "share" | "count" | "text" | "lines" | "regions" | "time"} kind
 * @property {import("../i18n.js").Key} label
 * @property {import("../i18n.js").Key} why what it does, in a sentence
 * @property {"plates" | "vehicles" | "regions" | "camera"} group
 * @property {unknown} usual the value that the engine has without it
 * @property {string} [on] the value of a flag in `config` when it is set
 * @property {{value: string, label: import("../i18n.js").Key}[]} [choices]
 * @property {number} [most]
 * @property {number} [least]
 */

/** @type {readonly Option[]} */
export const OPTIONS = Object.freeze([
  {
    name: "mode",
    place: "config",
    kind: "choice",
    label: "option.mode",
    why: "option.mode.why",
    group: "plates",
    usual: "",
    choices: [
      { value: "", label: "option.mode.regular" },
      { value: "fast", label: "option.mode.fast" },
      { value: "redaction", label: "option.mode.redaction" },
    ],
  },
  {
    name: "threshold_d",
    place: "config",
    kind: "share",
    label: "option.threshold_d",
    why: "option.threshold_d.why",
    group: "plates",
    usual: 0.2,
  },
  {
    name: "threshold_o",
    place: "config",
    kind: "share",
    label: "option.threshold_o",
    why: "option.threshold_o.why",
    group: "plates",
    usual: 0.6,
  },
  {
    name: "text_formats",
    place: "config",
    kind: "lines",
    label: "option.text_formats",
    why: "option.text_formats.why",
    group: "plates",
    usual: "",
  },
  {
    name: "mmc",
    place: "field",
    kind: "flag",
    label: "option.mmc",
    why: "option.mmc.why",
    group: "vehicles",
    usual: false,
  },
  {
    name: "direction",
    place: "field",
    kind: "flag",
    label: "option.direction",
    why: "option.direction.why",
    group: "vehicles",
    usual: false,
  },
  {
    name: "detection_mode",
    place: "config",
    kind: "flag",
    label: "option.detection_mode",
    why: "option.detection_mode.why",
    group: "vehicles",
    usual: false,
    on: "vehicle",
  },
  {
    name: "detection_rule",
    place: "config",
    kind: "flag",
    label: "option.detection_rule",
    why: "option.detection_rule.why",
    group: "vehicles",
    usual: false,
    on: "strict",
  },
  {
    name: "plates_per_vehicle",
    place: "config",
    kind: "count",
    label: "option.plates_per_vehicle",
    why: "option.plates_per_vehicle.why",
    group: "vehicles",
    usual: 1,
    least: 1,
    most: 32,
  },
  {
    name: "zoom_in_vehicles",
    place: "config",
    kind: "count",
    label: "option.zoom_in_vehicles",
    why: "option.zoom_in_vehicles.why",
    group: "vehicles",
    usual: 4,
    least: 0,
    most: 32,
  },
  {
    name: "regions",
    place: "field",
    kind: "regions",
    label: "option.regions",
    why: "option.regions.why",
    group: "regions",
    usual: "",
  },
  {
    name: "region",
    place: "config",
    kind: "flag",
    label: "option.region",
    why: "option.region.why",
    group: "regions",
    usual: false,
    on: "strict",
  },
  {
    name: "camera_id",
    place: "field",
    kind: "text",
    label: "option.camera_id",
    why: "option.camera_id.why",
    group: "camera",
    usual: "",
  },
  {
    name: "timestamp",
    place: "field",
    kind: "time",
    label: "option.timestamp",
    why: "option.timestamp.why",
    group: "camera",
    usual: "",
  },
]);

/** @typedef {Record<string, unknown>} Chosen values by the option's name */

/** What the console begins with: all that there is to see. @type {Chosen} */
export const FIRST = { mmc: true, direction: true };

/**
 * What a request says: only what differs from the usual.
 *
 * @param {Chosen} chosen
 * @returns {{fields: [string, string][], config: Record<string, unknown>}}
 */
export function asked(chosen) {
  /** @type {[string, string][]} */
  const fields = [];
  /** @type {Record<string, unknown>} */
  const config = {};
  for (const option of OPTIONS) {
    const value = chosen[option.name] ?? option.usual;
    if (value === option.usual) continue;
    if (option.place === "config") config[option.name] = inConfig(option, value);
    else if (option.kind === "regions") {
      for (const code of words(value)) fields.push([option.name, code]);
    } else if (option.kind === "time") fields.push([option.name, new Date(String(value)).toISOString()]);
    else fields.push([option.name, String(value)]);
  }
  fields.push(["characters", "true"]);
  return { fields, config };
}

/**
 * @param {Option} option
 * @param {unknown} value
 */
function inConfig(option, value) {
  if (option.kind === "flag") return option.on;
  return option.kind === "lines" ? String(value).split("\n").filter(Boolean) : value;
}

/** @param {unknown} value */
export function words(value) {
  return String(value)
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean);
}

/**
 * The form of a request.
 *
 * @param {Blob} picture
 * @param {string} filename
 * @param {Chosen} chosen
 */
export function form(picture, filename, chosen) {
  const { fields, config } = asked(chosen);
  const data = new FormData();
  data.append("upload", picture, filename);
  for (const [name, value] of fields) data.append(name, value);
  if (Object.keys(config).length) data.append("config", JSON.stringify(config));
  return data;
}
