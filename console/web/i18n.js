import { english } from "./locales/en.js";

/**
 * @typedef {typeof english} Messages
 * @typedef {keyof Messages} Key
 */

/** The languages there is a file for, by their own names. */
export const LANGUAGES = Object.freeze({
  en: "English",
  de: "Deutsch",
  es: "Español",
  fr: "Français",
  pt: "Português",
});

/** Texts, numbers and times in the language of the person. */
export class Translator {
  /**
   * @param {string} language
   * @param {Messages} messages
   */
  constructor(language, messages) {
    this.language = language;
    /** With the person's own country, which decides how times are written. */
    this.locale = navigator.languages.find((each) => each.split("-")[0] === language) ?? language;
    this.messages = messages;
    this.plural = new Intl.PluralRules(language);
    this.regions = new Intl.DisplayNames([language], { type: "region" });
  }

  /**
   * The translator for a language code; English for one that there is no file for.
   *
   * @param {string} language
   */
  static async load(language) {
    if (language === "en" || !(language in LANGUAGES)) return new Translator("en", english);
    const { messages } = await import(`./locales/${language}.js`);
    return new Translator(language, messages);
  }

  /**
   * A text, with `{name}` replaced by values. With `n`, texts that are `one | other` are chosen by it.
   *
   * @param {Key} key
   * @param {Record<string, string | number>} [values]
   */
  t(key, values = {}) {
    let text = this.messages[key];
    if (text.includes(" | ") && "n" in values) {
      const [one, other] = text.split(" | ");
      text = this.plural.select(Number(values.n)) === "one" ? one : other;
    }
    return text.replace(/\{(\w+)\}/g, (all, name) => {
      const value = values[name];
      return value === undefined ? all : typeof value === "number" ? this.number(value) : value;
    });
  }

  /**
   * @param {number} value
   * @param {Intl.NumberFormatOptions} [options]
   */
  number(value, options) {
    return new Intl.NumberFormat(this.locale, options).format(value);
  }

  /** @param {number} share 0 to 1 */
  percent(share) {
    return this.number(share, { style: "percent", maximumFractionDigits: share > 0.995 || share < 0.1 ? 1 : 0 });
  }

  /** @param {number} bytes */
  bytes(bytes) {
    const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
    const power = Math.min(Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)), units.length - 1);
    return this.number(bytes / 1000 ** power, {
      style: "unit",
      unit: units[power],
      unitDisplay: power ? "short" : "long",
      maximumFractionDigits: power && bytes / 1000 ** power < 10 ? 1 : 0,
    });
  }

  /** @param {string | number | Date} moment */
  time(moment) {
    const date = asDate(moment);
    if (Number.isNaN(date.getTime())) return "–";
    const today = date.toDateString() === new Date().toDateString();
    return new Intl.DateTimeFormat(
      this.locale,
      today ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" },
    ).format(date);
  }

  /** @param {string | number | Date} moment */
  fullTime(moment) {
    const date = asDate(moment);
    if (Number.isNaN(date.getTime())) return "–";
    return new Intl.DateTimeFormat(this.locale, { dateStyle: "full", timeStyle: "medium" }).format(date);
  }

  /**
   * How long ago something was.
   *
   * @param {string | number | Date} moment
   */
  ago(moment) {
    const seconds = (asDate(moment).getTime() - Date.now()) / 1000;
    if (Number.isNaN(seconds)) return "–";
    /** @type {[Intl.RelativeTimeFormatUnit, number][]} */
    const units = [
      ["day", 86400],
      ["hour", 3600],
      ["minute", 60],
      ["second", 1],
    ];
    const [unit, size] = units.find(([, each]) => Math.abs(seconds) >= each) ?? units[3];
    return new Intl.RelativeTimeFormat(this.locale, { numeric: "auto" }).format(Math.round(seconds / size), unit);
  }

  /**
   * The name of a region code such as `us-ca`, as far as the browser knows countries.
   *
   * @param {string} code
   */
  country(code) {
    const country = code.split("-")[0].toUpperCase();
    if (!/^[A-Z]{2}$/.test(country)) return code;
    return this.regions.of(country) ?? code;
  }
}

/**
 * Times of the API are UTC, with or without a Z.
 *
 * @param {string | number | Date} moment
 */
export function asDate(moment) {
  if (typeof moment !== "string") return new Date(moment);
  const iso = moment.replace(" ", "T");
  return new Date(/(Z|[+-]\d\d:?\d\d)$/.test(iso) || !iso.includes("T") ? iso : `${iso}Z`);
}
