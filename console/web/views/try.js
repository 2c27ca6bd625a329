/** Try it: photographs in, what is on them out, and the request that does the same. */

import { ApiError, withQuery } from "../api.js";
import { copyable, dialog, segments, tabs } from "../components/parts.js";
import { PictureStage } from "../components/picture-stage.js";
import { button, fill, h, icon } from "../dom.js";
import { explain } from "../errors.js";
import { findingCard } from "../try/finding-card.js";
import { findings } from "../try/findings.js";
import { form } from "../try/options.js";
import { OptionsPanel } from "../try/options-panel.js";
import { ShotQueue } from "../try/shots.js";
import { snippets } from "../try/snippets.js";
import { View as Base } from "../view.js";

/** @typedef {import("../try/shots.js").Shot} Shot */

const READ = "/v1/plate-reader/";
const BLUR = "/v1/blur/";
const STRONGEST = 10;
/** Long side of a picture that is sent smaller because the server takes none as large as it was. */
const SMALLER = 2400;

class TryView extends Base {
  /** @param {import("../view.js").Context} context */
  constructor(context) {
    super(context);
    const { words } = context;
    const t = words.t.bind(words);
    this.queue = new ShotQueue((shot, signal) => this.read(shot, signal));
    this.queue.addEventListener("changed", () => this.schedule());
    this.shownId = 0;
    /** What the results were drawn of. */
    this.drawn = "";
    /** @type {"read" | "blur"} */
    this.mode = "read";
    this.strength = STRONGEST;
    this.waiting = false;

    this.options = new OptionsPanel(this.context);
    this.options.addEventListener("changed", () => {
      const shot = this.shot;
      if (shot) this.queue.again([shot], { ...this.options.chosen }, this.asked);
      this.drawRequest();
    });
    this.stage = new PictureStage();
    this.stage.addEventListener("lit", (event) => this.light(/** @type {CustomEvent} */ (event).detail));
    this.stage.addEventListener("chosen", (event) =>
      this.cards.children[/** @type {CustomEvent} */ (event).detail]?.scrollIntoView({ block: "nearest" }),
    );
    this.stage.image.addEventListener("load", () => this.drawResults());

    this.picker = h("input", {
      type: "file",
      accept: "image/*",
      multiple: true,
      hidden: true,
      "aria-label": t("try.choose"),
      on: { change: () => this.take([...(this.picker.files ?? [])]) },
    });
    this.phone = h("input", {
      type: "file",
      accept: "image/*",
      capture: "environment",
      hidden: true,
      "aria-label": t("try.camera"),
      on: { change: () => this.take([...(this.phone.files ?? [])]) },
    });
    this.invitation = h(
      "div",
      { class: "invitation" },
      icon("upload"),
      h("h2", null, t("try.drop")),
      h("p", null, t("try.drop.why")),
      h("div", { class: "actions" }, this.sources(true)),
    );
    this.frame = h("div", { class: "frame" }, this.invitation);
    this.strip = h("ol", { class: "strip", "aria-label": t("try.pictures") });
    this.progress = h("progress", { max: 1, value: 0, "aria-label": t("try.progress") });
    this.gauge = h("div", { class: "progress", hidden: true }, this.progress);
    this.status = h("p", { class: "status", role: "status", "aria-live": "polite" });
    this.cards = h("div", { class: "cards" });
    this.request = h("div", { class: "stack" });
    this.raw = h("div");
    this.tools = h("div", { class: "tools" });
    fill(
      this,
      h(
        "div",
        { class: "head" },
        h("div", null, h("h1", null, t("nav.try")), h("p", null, t("try.about"))),
        h(
          "div",
          { class: "tools" },
          segments(
            t("try.mode"),
            [
              { value: "read", label: t("try.read") },
              { value: "blur", label: t("try.blur") },
            ],
            this.mode,
            (mode) => this.switchTo(mode),
          ),
        ),
      ),
      h(
        "div",
        { class: "try" },
        h(
          "section",
          { class: "card scene", "aria-label": t("try.picture") },
          this.frame,
          this.strip,
          this.gauge,
          h("div", { class: "under" }, this.status, this.tools),
        ),
        h(
          "section",
          { class: "card answers", "aria-label": t("try.results") },
          tabs(t("try.results"), [
            { id: "results", label: t("try.results"), content: this.cards },
            { id: "request", label: t("try.request"), content: this.request },
            { id: "raw", label: "JSON", content: this.raw },
          ]),
        ),
        h("details", { class: "card options", open: matchMedia("(min-width: 900px)").matches }, [
          h("summary", null, h("h2", null, t("options")), icon("down")),
          this.options,
        ]),
      ),
      this.picker,
      this.phone,
    );
    this.schedule();
  }

  /** @param {AbortSignal} signal */
  shown(signal) {
    document.addEventListener("paste", (event) => this.paste(event), { signal });
    this.addEventListener(
      "dragover",
      (event) => {
        event.preventDefault();
        this.frame.toggleAttribute("data-over", true);
      },
      { signal },
    );
    this.addEventListener("dragleave", () => this.frame.removeAttribute("data-over"), { signal });
    this.addEventListener(
      "drop",
      (event) => {
        event.preventDefault();
        this.frame.removeAttribute("data-over");
        this.take([...(event.dataTransfer?.files ?? [])]);
      },
      { signal },
    );
  }

  /** @param {boolean} all whether the sample is offered, too */
  sources(all) {
    const t = this.context.words.t.bind(this.context.words);
    return [
      button(t("try.choose"), () => this.picker.click(), { icon: "upload", kind: all ? "primary" : undefined }),
      button(t("try.camera"), () => this.photograph(), { icon: "camera" }),
      all && button(t("try.sample"), () => this.attempt(() => this.sample()), { icon: "car" }),
    ];
  }

  get asked() {
    return this.mode === "blur" ? this.strength : null;
  }

  /** The picture that is shown. @returns {Shot | undefined} */
  get shot() {
    const { shots } = this.queue;
    return shots.find((each) => each.id === this.shownId) ?? shots[0];
  }

  /** @param {"read" | "blur"} mode */
  switchTo(mode) {
    this.mode = mode;
    const shot = this.shot;
    if (shot) this.queue.again([shot], { ...this.options.chosen }, this.asked);
    this.schedule();
  }

  /** @param {File[]} files */
  take(files) {
    const { words, notify } = this.context;
    const pictures = files.filter((file) => file.size > 0).map((file) => ({ name: file.name, picture: file }));
    this.picker.value = "";
    this.phone.value = "";
    if (!pictures.length) {
      if (files.length) notify(words.t("try.nopicture"), "bad");
      return;
    }
    const first = this.queue.made + 1;
    this.queue.add(pictures, { ...this.options.chosen }, this.asked);
    this.shownId = first;
    this.schedule();
  }

  /** @param {ClipboardEvent} event */
  paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) {
      event.preventDefault();
      this.take(files);
    }
  }

  async sample() {
    const response = await this.context.api.fetch(new URL("../sample.jpg", import.meta.url).href, {});
    this.take([new File([await response.blob()], "gate.jpg", { type: "image/jpeg" })]);
  }

  /** Takes a photograph: with the camera of this device where the page may, with that of the phone otherwise. */
  async photograph() {
    if (!navigator.mediaDevices || matchMedia("(pointer: coarse)").matches) {
      this.phone.click();
      return;
    }
    const { words } = this.context;
    const video = h("video", { autoplay: true, playsinline: true, muted: true });
    await this.attempt(async () => {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: 1920 } });
      video.srcObject = stream;
      const shown = dialog({
        title: words.t("try.camera"),
        body: h("div", { class: "zoomed" }, video),
        submit: words.t("try.shoot"),
        cancel: words.t("cancel"),
        wide: true,
        act: async () => {
          const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
          canvas.getContext("2d")?.drawImage(video, 0, 0);
          const picture = await encoded(canvas);
          this.take([new File([picture], "camera.jpg", { type: "image/jpeg" })]);
        },
      });
      shown.addEventListener("close", () => {
        for (const track of stream.getTracks()) track.stop();
      });
    });
  }

  /**
   * @param {Shot} shot
   * @param {AbortSignal} signal
   */
  async read(shot, signal) {
    const { api } = this.context;
    const data = form(shot.picture, shot.name, shot.chosen);
    if (shot.blur !== null) data.append("plates", String(shot.blur));
    const camera = String(shot.chosen.camera_id ?? "");
    const [answer, zones] = await Promise.all([
      api.upload(shot.blur === null ? READ : BLUR, data, signal),
      camera ? this.zones(camera, signal) : [],
    ]);
    if (shot.blurred) URL.revokeObjectURL(shot.blurred);
    const { blur, ...rest } = answer;
    shot.blurred = blur ? URL.createObjectURL(fromBase64(blur.base64, blur.contentType)) : "";
    shot.answer = blur ? { blur: { ...blur, base64: `${blur.base64.slice(0, 40)}…` }, ...rest } : answer;
    shot.findings = findings(answer);
    shot.zones = zones;
  }

  /**
   * @param {string} camera
   * @param {AbortSignal} signal
   */
  async zones(camera, signal) {
    try {
      return (await this.context.api.get(`/v1/zones/${encodeURIComponent(camera)}`, signal)).zones;
    } catch (error) {
      if (error instanceof ApiError) return [];
      throw error;
    }
  }

  /** Draws once in a frame, however much has changed. */
  schedule() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    const { frame, stage, invitation } = this;
    const shot = this.shot;
    const seen = shot ? stage : invitation;
    if (frame.firstChild !== seen) frame.replaceChildren(seen);
    if (shot) {
      this.shownId = shot.id;
      stage.picture(shot.blurred && shot.blur !== null ? shot.blurred : shot.url, shot.name);
      stage.toggleAttribute("data-busy", shot.state === "waiting" || shot.state === "reading");
    }
    this.drawStrip();
    this.drawStatus();
    const state = shot ? `${shot.id} ${shot.state} ${shot.blurred} ${this.mode}` : this.mode;
    if (state !== this.drawn || shot?.state !== "done") {
      this.drawn = state;
      this.drawResults();
      this.drawRequest();
    }
  }

  drawStrip() {
    const { words } = this.context;
    const { shots } = this.queue;
    this.strip.hidden = shots.length < 2;
    if (this.strip.hidden) return;
    const known = new Map([...this.strip.children].map((item) => [/** @type {HTMLElement} */ (item).dataset.id, item]));
    const items = shots.map((shot) => {
      const item = known.get(String(shot.id)) ?? this.thumbnail(shot);
      const said = this.state(shot);
      const head = /** @type {HTMLButtonElement} */ (item.firstElementChild);
      head.setAttribute("aria-label", `${shot.name}, ${said}`);
      head.setAttribute("aria-pressed", String(shot.id === this.shownId));
      head.dataset.state = shot.state;
      const note = head.querySelector("span");
      if (note && note.textContent !== said) fill(note, said);
      return item;
    });
    if (items.some((item, index) => this.strip.children[index] !== item) || items.length !== this.strip.children.length)
      fill(this.strip, items);
    this.strip.setAttribute("aria-label", words.t("try.pictures"));
  }

  /** @param {Shot} shot */
  thumbnail(shot) {
    return h(
      "li",
      { data: { id: shot.id } },
      h(
        "button",
        {
          type: "button",
          title: shot.name,
          on: {
            click: () => {
              this.shownId = shot.id;
              this.schedule();
            },
          },
        },
        h("img", { src: shot.url, alt: "", loading: "lazy", decoding: "async" }),
        h("span", null, ""),
      ),
    );
  }

  /** @param {Shot} shot */
  state(shot) {
    const { words } = this.context;
    const plates = shot.findings.flatMap((each) => (each.plate ? [each.plate.readings[0].text.toUpperCase()] : []));
    if (shot.state === "failed") return words.t("try.failed");
    if (shot.state !== "done") return words.t(`try.${shot.state}`);
    return plates.length ? plates.join(", ") : words.t("noplate");
  }

  drawStatus() {
    const { words } = this.context;
    const t = words.t.bind(words);
    const { shots } = this.queue;
    const shot = this.shot;
    const done = this.queue.finished;
    this.progress.max = shots.length || 1;
    this.progress.value = done;
    this.gauge.hidden = shots.length < 2 || done === shots.length;
    let said = "";
    if (shot?.state === "done")
      said = t("try.done", {
        n: shot.findings.filter((each) => each.plate).length,
        ms: words.number(Math.round(shot.answer.processing_time)),
        size: `${shot.answer.image_width} × ${shot.answer.image_height}`,
      });
    else if (shot) said = this.state(shot);
    if (shots.length > 1) said += ` · ${t("try.of", { done, n: shots.length })}`;
    if (this.status && this.status.textContent !== said) fill(this.status, said);
    fill(
      this.tools,
      this.mode === "blur" && this.strengthControl(),
      shot?.blurred &&
        this.mode === "blur" &&
        h(
          "a",
          { class: "button primary", href: shot.blurred, download: `${shot.name.replace(/\.[^.]*$/, "")}-blurred.jpg` },
          icon("save"),
          h("span", null, t("try.save")),
        ),
      shots.length > 1 &&
        button(t("try.all"), () => this.queue.again(shots, { ...this.options.chosen }, this.asked), {
          icon: "refresh",
          kind: "plain",
        }),
      shots.length > 0 && this.sources(false),
      shots.length > 0 && button(t("try.clear"), () => this.queue.clear(), { icon: "trash", kind: "plain" }),
    );
  }

  strengthControl() {
    const { words } = this.context;
    const range = h("input", {
      type: "range",
      min: "0",
      max: String(STRONGEST),
      value: String(this.strength),
      id: "blur-strength",
    });
    range.addEventListener("change", () => {
      this.strength = Number(range.value);
      this.switchTo("blur");
    });
    return h("label", { class: "inline" }, h("span", null, words.t("try.strength")), range);
  }

  drawResults() {
    const { stage, cards, raw } = this;
    const shot = this.shot;
    const { words } = this.context;
    const t = words.t.bind(words);
    if (!shot) {
      fill(cards, h("p", { class: "empty" }, t("try.empty")));
      fill(raw, h("p", { class: "empty" }, t("try.empty")));
      return;
    }
    if (shot.state === "failed") {
      stage.clear();
      fill(cards, this.failure(shot));
      fill(raw, h("p", { class: "empty" }, t("try.failed")));
      return;
    }
    if (!shot.answer) {
      stage.clear();
      fill(
        cards,
        [1, 2].map(() => h("div", { class: "skeleton", "aria-hidden": "true" })),
      );
      fill(raw);
      return;
    }
    if (!stage.image.complete || !stage.image.naturalWidth) return; // comes again with the picture
    stage.draw({
      width: shot.answer.image_width,
      height: shot.answer.image_height,
      findings: shot.findings,
      zones: shot.zones,
      name: (finding) => this.nameOf(finding),
      ignored: t("zone.ignored"),
    });
    fill(
      cards,
      shot.findings.length
        ? shot.findings.map((finding, index) => {
            const card = findingCard(finding, stage.image, this.context);
            card.setAttribute("aria-label", this.nameOf(finding));
            for (const type of ["pointerenter", "focusin"]) card.addEventListener(type, () => stage.light(index));
            for (const type of ["pointerleave", "focusout"]) card.addEventListener(type, () => stage.light(-1));
            return card;
          })
        : h("p", { class: "empty" }, t("try.nothing")),
    );
    fill(raw, copyable(JSON.stringify(shot.answer, null, 2), this.context));
  }

  /** @param {import("../try/findings.js").Finding} finding */
  nameOf({ plate, vehicle }) {
    const { words } = this.context;
    return [
      plate && words.t("plate.name", { plate: plate.readings[0].text.toUpperCase() }),
      vehicle?.colors[0]?.name,
      vehicle?.makes[0]?.name,
      vehicle?.type,
    ]
      .filter(Boolean)
      .join(", ");
  }

  /** @param {Shot} shot */
  failure(shot) {
    const { words } = this.context;
    const large = shot.error instanceof ApiError && shot.error.status === 413;
    return h(
      "div",
      { class: "notice", role: "alert" },
      icon("warn"),
      h("p", null, explain(shot.error, words)),
      large
        ? button(words.t("try.smaller"), () => this.attempt(() => this.sendSmaller(shot)), { kind: "primary" })
        : button(words.t("again"), () => this.queue.again([shot], { ...this.options.chosen }, this.asked), {
            icon: "refresh",
          }),
    );
  }

  /**
   * Scales a picture down that is too large for the server, which plates bear well.
   *
   * @param {Shot} shot
   */
  async sendSmaller(shot) {
    const bitmap = await createImageBitmap(shot.picture, { imageOrientation: "from-image" });
    const scale = Math.min(1, SMALLER / Math.max(bitmap.width, bitmap.height));
    const canvas = h("canvas", { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    shot.picture = await encoded(canvas);
    URL.revokeObjectURL(shot.url);
    shot.url = URL.createObjectURL(shot.picture);
    this.queue.again([shot], { ...this.options.chosen }, this.asked);
  }

  drawRequest() {
    const { api } = this.context;
    const shot = this.shot;
    const parts = snippets({
      url: new URL(withQuery(this.mode === "blur" ? BLUR : READ, {}), location.href).href,
      filename: shot?.name ?? "gate.jpg",
      chosen: this.options.chosen,
      blur: this.asked,
      token: Boolean(api.token),
    });
    fill(
      this.request,
      parts.map(({ name, text }) => h("section", null, h("h3", null, name), copyable(text, this.context))),
    );
  }

  /** @param {number} index */
  light(index) {
    for (const [each, card] of [...this.cards.children].entries()) card.classList.toggle("lit", each === index);
  }
}
customElements.define("try-view", TryView);

export { TryView as View };

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {Promise<Blob>}
 */
function encoded(canvas) {
  return new Promise((done, failed) =>
    canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("no picture"))), "image/jpeg", 0.92),
  );
}

/**
 * @param {string} text
 * @param {string} type
 */
function fromBase64(text, type) {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  return new Blob([bytes], { type });
}
