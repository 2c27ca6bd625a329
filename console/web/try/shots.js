/**
 * Pictures on their way through the recogniser.
 *
 * @typedef {object} Shot
 * @property {number} id
 * @property {string} name
 * @property {Blob} picture
 * @property {string} url of the picture for <img>
 * @property {"waiting" | "reading" | "done" | "failed"} state
 * @property {any} answer as it came
 * @property {import("./findings.js").Finding[]} findings
 * @property {unknown} error
 * @property {string} blurred address of the blurred picture, empty where there is none
 * @property {import("./options.js").Chosen} chosen what was asked for
 * @property {number | null} blur
 * @property {import("../types.js").Zone[]} zones of its camera
 */

import { ApiError } from "../api.js";

const AT_ONCE = 3;
const TRIES = 6;
const MOST = 500;

/** Reads pictures a few at a time; what the server has no time for now comes again. */
export class ShotQueue extends EventTarget {
  /** @param {(shot: Shot, signal: AbortSignal) => Promise<void>} work fills in what is known, or throws */
  constructor(work) {
    super();
    this.work = work;
    /** @type {Shot[]} */
    this.shots = [];
    this.running = 0;
    this.made = 0;
    this.stopping = new AbortController();
  }

  /**
   * @param {{name: string, picture: Blob}[]} pictures
   * @param {import("./options.js").Chosen} chosen
   * @param {number | null} blur
   */
  add(pictures, chosen, blur) {
    const room = MOST - this.shots.length;
    for (const { name, picture } of pictures.slice(0, Math.max(0, room))) {
      this.shots.push({
        id: ++this.made,
        name,
        picture,
        url: URL.createObjectURL(picture),
        state: "waiting",
        answer: null,
        findings: [],
        error: null,
        blurred: "",
        chosen,
        blur,
        zones: [],
      });
    }
    this.changed();
    this.begin();
  }

  /**
   * Reads pictures again, with other options.
   *
   * @param {Shot[]} shots
   * @param {import("./options.js").Chosen} chosen
   * @param {number | null} blur
   */
  again(shots, chosen, blur) {
    for (const shot of shots) {
      if (shot.state === "reading") continue;
      Object.assign(shot, { state: "waiting", error: null, chosen, blur });
    }
    this.changed();
    this.begin();
  }

  clear() {
    this.stopping.abort();
    this.stopping = new AbortController();
    for (const shot of this.shots) {
      URL.revokeObjectURL(shot.url);
      if (shot.blurred) URL.revokeObjectURL(shot.blurred);
    }
    this.shots = [];
    this.changed();
  }

  get finished() {
    return this.shots.filter((shot) => shot.state === "done" || shot.state === "failed").length;
  }

  begin() {
    while (this.running < AT_ONCE) {
      const next = this.shots.find((shot) => shot.state === "waiting");
      if (!next) return;
      this.running++;
      next.state = "reading";
      this.changed();
      this.read(next).finally(() => {
        this.running--;
        this.changed();
        this.begin();
      });
    }
  }

  /** @param {Shot} shot */
  async read(shot) {
    const { signal } = this.stopping;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.work(shot, signal);
        shot.state = "done";
        return;
      } catch (error) {
        const busy = error instanceof ApiError && (error.status === 429 || error.status === 503);
        if (signal.aborted || !busy || attempt === TRIES) {
          shot.error = error;
          shot.state = "failed";
          return;
        }
        await new Promise((done) => setTimeout(done, 1000 * Math.max(error.retryAfter, 0.5)));
      }
    }
  }

  changed() {
    this.dispatchEvent(new Event("changed"));
  }
}
