/**
 * What several views share. Whoever shows a value listens to its name.
 *
 * @typedef {object} State
 * @property {"light" | "dark" | "auto"} theme
 * @property {string} language
 * @property {"checking" | "online" | "offline"} server
 * @property {string} version Of the server; empty while it is not known.
 * @property {import("./types.js").Region[]} regions
 * @property {string[]} cameras Names that were seen, for suggestions.
 */

/** Kept between visits; the token is not among them. */
const KEPT = /** @type {const} */ (["theme", "language"]);

export class Store extends EventTarget {
  /** @param {Storage} storage */
  constructor(storage) {
    super();
    this.storage = storage;
    /** @type {State} */
    this.state = {
      theme: "auto",
      language: navigator.language.slice(0, 2),
      server: "checking",
      version: "",
      regions: [],
      cameras: [],
    };
    for (const name of KEPT) {
      const kept = storage.getItem(`platelane.${name}`);
      if (kept) Object.assign(this.state, { [name]: kept });
    }
  }

  /**
   * @template {keyof State} N
   * @param {N} name
   * @returns {State[N]}
   */
  get(name) {
    return this.state[name];
  }

  /**
   * @template {keyof State} N
   * @param {N} name
   * @param {State[N]} value
   */
  set(name, value) {
    if (Object.is(this.state[name], value)) return;
    this.state[name] = value;
    if (KEPT.some((each) => each === name)) this.storage.setItem(`platelane.${name}`, String(value));
    this.dispatchEvent(new Event(name));
  }

  /**
   * Calls now and whenever the value changes, until the signal says stop.
   *
   * @template {keyof State} N
   * @param {N} name
   * @param {(value: State[N]) => void} listener
   * @param {AbortSignal} [signal]
   */
  watch(name, listener, signal) {
    this.addEventListener(name, () => listener(this.state[name]), { signal });
    listener(this.state[name]);
  }
}
