/** Counts of reads, and what a click on one asks for. */

import { withQuery } from "../api.js";
import { indexQuery } from "./source.js";

/**
 * @typedef {"hour" | "day" | "camera" | "region" | "make" | "color" | "score" | "new" | "watchlist"} By
 * @typedef {{key: string, count: number}} Bucket
 * @typedef {{plate: string, count: number, first: string, last: string, cameras: (string | null)[]}} Group
 */

/** @type {readonly By[]} */
export const BY = Object.freeze(["hour", "day", "camera", "region", "make", "color", "score", "new", "watchlist"]);

/**
 * The filters that a bucket stands for.
 *
 * @param {By} by
 * @param {string} key
 * @returns {import("./source.js").Filters}
 */
export function filtersOf(by, key) {
  /** @param {Date} from @param {number} hours */
  const span = (from, hours) => ({
    after: from.toISOString(),
    before: new Date(from.getTime() + hours * 3_600_000).toISOString(),
  });
  switch (by) {
    case "hour":
      return span(new Date(key), 1);
    case "day":
      return span(new Date(`${key.slice(0, 10)}T00:00:00Z`), 24);
    case "score":
      return { score_min: key };
    case "new":
      return { first_seen: String(key === "new") };
    default:
      return { [by === "camera" ? "camera_id" : by]: key };
  }
}

/**
 * @param {import("../api.js").Api} api
 * @param {By} by
 * @param {import("./source.js").Filters} filters
 * @param {AbortSignal} signal
 * @returns {Promise<Bucket[]>}
 */
export async function analytics(api, by, filters, signal) {
  return (await api.get(withQuery("/v1/reads/analytics", { by, ...indexQuery(filters) }), signal)).buckets;
}
