/** Manage: webhooks, tokens, usage, cameras and their zones. */

import { tabs } from "../components/parts.js";
import { fill, h } from "../dom.js";
import { CamerasPanel } from "../manage/cameras.js";
import { TokensPanel } from "../manage/tokens.js";
import { UsagePanel } from "../manage/usage.js";
import { WebhooksPanel } from "../manage/webhooks.js";
import { View as Base } from "../view.js";

const PANELS = { webhooks: WebhooksPanel, tokens: TokensPanel, usage: UsagePanel, cameras: CamerasPanel };
/** @typedef {keyof typeof PANELS} Part */
const PARTS = /** @type {Part[]} */ (Object.keys(PANELS));

class ManageView extends Base {
  /** @param {import("../view.js").Context} context */
  constructor(context) {
    super(context);
    const t = context.words.t.bind(context.words);
    const pages = PARTS.map((id) => ({ id, label: t(`manage.${id}`), content: h("div", { class: "panel" }) }));
    const all = tabs(t("nav.manage"), pages, (id) => {
      const page = pages.find((each) => each.id === id);
      // made when it is first looked at
      if (page && !page.content.firstChild) page.content.append(new PANELS[/** @type {Part} */ (id)](context));
    });
    fill(this, h("div", { class: "head" }, h("h1", null, t("nav.manage"))), all);
  }

  /** @param {URLSearchParams} parameters */
  addressed(parameters) {
    const part = parameters.get("part");
    const head = this.querySelector(`#tab-${PARTS.find((each) => each === part) ?? "nothing"}`);
    if (head instanceof HTMLButtonElement) head.click();
  }
}
customElements.define("manage-view", ManageView);

export { ManageView as View };
