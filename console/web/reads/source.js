/** Where reads come from: the index of the server, and live events, which are a moment ahead of it. */

import { withQuery } from "../api.js";
import { findings } from "../try/findings.js";

/**
 * @typedef {import("../types.js").Read} Read
 * @typedef {Record<string, string>} Filters as in the address of the page
 * @typedef {{reads: Read[], next: string | null}} Page
 */

export const PAGE = 60;
/** What can be filtered by; `match` says how `plate` is compared. */
export const FILTERS = Object.freeze([
  "plate",
  "match",
  "camera_id",
  "region",
  "make",
  "color",
  "after",
  "before",
  "score_min",
  "first_seen",
  "watchlist",
]);

export class ReadSource {
  /** @param {import("../api.js").Api} api */
  constructor(api) {
    this.api = api;
  }

  /**
   * @param {Filters} filters
   * @param {string | null} cursor
   * @param {AbortSignal} signal
   * @returns {Promise<Page>} the newest first
   */
  page(filters, cursor, signal) {
    return this.api.get(withQuery("/v1/reads/", { ...indexQuery(filters), page_size: PAGE, cursor }), signal);
  }

  /**
   * @param {Filters} filters
   * @returns {string} the address of the events that may concern them
   */
  events(filters) {
    const { camera_id, plate, match } = filters;
    return withQuery("/v1/events/", { camera_id, plate: match === "near" ? "" : plate });
  }
}

/** @param {Filters} filters */
export function indexQuery(filters) {
  const { after, before, plate, match = "wildcard", ...rest } = filters;
  const times = { after: utc(after), before: utc(before) };
  if (!plate) return { ...rest, ...times };
  // without a wildcard, the beginning of a plate
  return { ...rest, ...times, match, plate: match === "wildcard" && !/[?*]/.test(plate) ? `${plate}*` : plate };
}

/** @param {string | undefined} local of an input, or an ISO time */
function utc(local) {
  const moment = local ? new Date(local) : null;
  return moment && !Number.isNaN(moment.getTime()) ? moment.toISOString() : "";
}

/**
 * Whether an event alone tells that its reads are wanted; the rest only the index knows.
 *
 * @param {Filters} filters
 */
export function eventsSuffice({ match, first_seen, watchlist }) {
  return match !== "near" && !first_seen && !watchlist;
}

/**
 * What an address of events cannot ask for.
 *
 * @param {Read} read
 * @param {Filters} filters
 */
export function fits(read, { region, make, color, score_min, plate, match }) {
  return (
    (!region || read.region.code === region) &&
    (!make || read.vehicle?.make.toLowerCase() === make.toLowerCase()) &&
    (!color || read.vehicle?.color === color) &&
    (!score_min || read.score >= Number(score_min)) &&
    (!plate ||
      match === "near" ||
      (match === "exact" ? plate.toLowerCase() === read.plate : pattern(plate).test(read.plate)))
  );
}

/** @param {string} text the beginning of a plate, or a pattern with ? and * */
function pattern(text) {
  const wild = /[?*]/.test(text) ? text : `${text}*`;
  const escaped = wild.toLowerCase().replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("?", ".").replaceAll("*", ".*")}$`, "u");
}

/**
 * @param {string} id of the photograph's result
 * @param {number} index of the plate in it
 * @param {"plate" | "vehicle"} what
 */
function picture(id, index, what) {
  return `/v1/results/${encodeURIComponent(`${id}.${index}`)}/${what}.webp`;
}

/**
 * The reads of an event.
 *
 * @param {any} result
 * @returns {Read[]}
 */
export function readsOf(result) {
  return findings(result).flatMap(({ plate, vehicle, direction }, index) => {
    if (!plate) return [];
    const [make = "", ...model] = (vehicle?.makes[0]?.name ?? "").split(" ");
    return [
      {
        id: `${result.id}.${index}`,
        plate: plate.readings[0].text,
        camera_id: result.camera_id,
        time: result.timestamp,
        score: plate.readings[0].score,
        dscore: plate.score,
        region: plate.regions[0] ?? { code: "unknown", score: 0 },
        vehicle: vehicle && {
          type: vehicle.type,
          make,
          model: model.join(" "),
          color: vehicle.colors[0]?.name ?? "",
          orientation: vehicle.orientations[0]?.name ?? "",
          direction,
        },
        box: plate.box,
        image: { plate: picture(result.id, index, "plate"), vehicle: vehicle && picture(result.id, index, "vehicle") },
        correction: null,
        watchlists: result.hits?.[plate.readings[0].text] ?? [],
        seen_before: 0,
      },
    ];
  });
}
