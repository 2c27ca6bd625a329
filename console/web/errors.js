/** What went wrong, in a sentence of the page's language where the page knows it. */

import { ApiError } from "./api.js";

/** Details of the API that are translated: of which status, how they read, and what says the same. */
const KNOWN = /** @type {const} */ ([
  [400, /is broken or cut off/, "error.broken"],
  [400, /neither an image/, "error.nopicture"],
  [400, /^plate needs \d+ letters/, "error.short"],
  [400, /^There is a token called/, "error.token.taken"],
  [400, /^A token cannot/, "error.token.own"],
  [400, /^Webhooks use this watch-list/, "error.list.used"],
  [400, /^There is no watch-list/, "error.list.gone"],
  [400, /^target: the host has an address/, "error.target"],
  [403, /enough credits/, "error.credits"],
  [403, /^Only a token with admin/, "error.admin"],
  [403, /^Cross-site/, "error.site"],
  [503, /(index|database) of reads/, "error.index"],
]);
/** By status alone. */
const GENERAL = /** @type {const} */ ({
  0: "error.away",
  404: "error.gone",
  413: "error.large",
  429: "error.throttled",
});

/**
 * @param {unknown} error
 * @param {import("./i18n.js").Translator} words
 */
export function explain(error, words) {
  if (!(error instanceof ApiError)) return String(error instanceof Error ? error.message : error);
  const { status, message } = error;
  const known = KNOWN.find(([of, pattern]) => of === status && pattern.test(message));
  if (known) return words.t(known[2]);
  if (status in GENERAL) return words.t(GENERAL[/** @type {keyof typeof GENERAL} */ (status)]);
  if (status === 503) return `${words.t("error.busy")} ${message}`;
  return message || words.t("error.status", { status: String(status) });
}
