import { ApiPicture, dialog, field } from "../components/parts.js";
import { button, fill, h, icon } from "../dom.js";
import { explain } from "../errors.js";
import { View } from "../view.js";
import { ZoneEditor } from "./zone-editor.js";

/**
 * @typedef {object} Camera
 * @property {string} camera_id
 * @property {string | null} last_seen
 * @property {string | null} picture
 * @property {import("../types.js").Zone[]} zones
 */

/** Cameras that have sent something, and the zones of their pictures. */
export class CamerasPanel extends View {
  /** @param {import("../view.js").Context} context */
  constructor(context) {
    super(context);
    const t = context.words.t.bind(context.words);
    this.list = h("div", { class: "cameras" });
    fill(
      this,
      h(
        "div",
        { class: "panel-head" },
        h("p", { class: "quiet" }, t("cameras.about")),
        button(t("cameras.add"), () => this.name(), { icon: "plus" }),
      ),
      this.list,
    );
  }

  shown() {
    this.show();
  }

  show() {
    const { words } = this.context;
    return this.present(this.list, async () => {
      const cameras = await this.cameras();
      if (!cameras.length) return h("div", { class: "card empty" }, words.t("cameras.none"));
      return cameras.map((camera) => this.card(camera));
    });
  }

  /** @returns {Promise<Camera[]>} */
  async cameras() {
    const { api, store } = this.context;
    const { signal } = this.lifetime;
    const [zoned, seen] = await Promise.all([api.list("/v1/zones/", signal), api.get("/v1/cameras/", signal)]);
    /** @type {Map<string, Camera>} */
    const all = new Map();
    for (const camera_id of store.get("cameras"))
      all.set(camera_id, { camera_id, last_seen: null, picture: null, zones: [] });
    for (const each of seen) all.set(each.camera_id, { ...each, zones: [] });
    for (const { camera_id, zones } of zoned)
      all.set(camera_id, { ...(all.get(camera_id) ?? { camera_id, last_seen: null, picture: null }), zones });
    return [...all.values()].sort((a, b) => a.camera_id.localeCompare(b.camera_id));
  }

  /** @param {Camera} camera */
  card(camera) {
    const { words, api } = this.context;
    const t = words.t.bind(words);
    return h(
      "section",
      { class: "card camera" },
      camera.picture
        ? new ApiPicture(api, camera.picture, camera.camera_id)
        : h("div", { class: "nopicture" }, icon("camera")),
      h(
        "div",
        { class: "card-head" },
        h(
          "div",
          null,
          h("h2", { dir: "auto" }, camera.camera_id),
          h(
            "p",
            { class: "why" },
            t("cameras.zones", { n: camera.zones.length }),
            camera.last_seen && ` · ${t("cameras.seen", { ago: words.ago(camera.last_seen) })}`,
          ),
        ),
        button(t("cameras.edit"), () => this.edit(camera), { icon: "edit" }),
      ),
    );
  }

  /** Asks for the name of a camera that has sent nothing yet. */
  name() {
    const { words } = this.context;
    const name = h("input", { type: "text", required: true, maxlength: 200, dir: "auto" });
    dialog({
      title: words.t("cameras.add"),
      body: field(words.t("read.camera"), name),
      submit: words.t("cameras.edit"),
      cancel: words.t("cancel"),
      act: () => this.edit({ camera_id: name.value.trim(), last_seen: null, picture: null, zones: [] }),
    });
  }

  /** @param {Camera} camera */
  edit(camera) {
    const { words, api, notify } = this.context;
    const path = `/v1/zones/${encodeURIComponent(camera.camera_id)}`;
    const editor = new ZoneEditor(this.context, camera);
    dialog({
      title: words.t("zones.title", { camera: camera.camera_id }),
      body: editor,
      submit: words.t("save"),
      cancel: words.t("cancel"),
      wide: true,
      failed: (error) => explain(error, words),
      act: async () => {
        await (editor.zones.length
          ? api.send("PUT", path, { zones: editor.zones })
          : camera.zones.length
            ? api.send("DELETE", path)
            : null);
        notify(words.t("zones.saved"));
        await this.show();
      },
    });
  }
}
customElements.define("cameras-panel", CamerasPanel);
