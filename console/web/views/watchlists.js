/** Watch-lists: plates to look out for, with notes and the time they hold for. */

import { withQuery } from "../api.js";
import { dialog, field, plateChip, scroller } from "../components/parts.js";
import { button, fill, h, icon } from "../dom.js";
import { explain } from "../errors.js";
import { View as Base } from "../view.js";

/** @typedef {import("../types.js").WatchList} WatchList */
/** @typedef {import("../types.js").Listed} Listed */

const PATH = "/v1/watchlists/";
const SHOWN = 200;

class WatchListsView extends Base {
  /** @param {import("../view.js").Context} context */
  constructor(context) {
    super(context);
    const t = context.words.t.bind(context.words);
    this.lists = h("div", { class: "stack" });
    fill(
      this,
      h(
        "div",
        { class: "head" },
        h("div", null, h("h1", null, t("nav.watchlists")), h("p", null, t("lists.about"))),
        h(
          "div",
          { class: "tools" },
          button(t("lists.new"), () => this.edit(null), { icon: "plus", kind: "primary" }),
        ),
      ),
      this.lists,
    );
  }

  shown() {
    this.show();
  }

  show() {
    const { api, words } = this.context;
    return this.present(this.lists, async () => {
      /** @type {WatchList[]} */
      const lists = await api.list(PATH, this.lifetime.signal);
      if (!lists.length) return h("div", { class: "card empty" }, words.t("lists.none"));
      return lists.map((list) => this.card(list));
    });
  }

  /** @param {WatchList} list */
  card(list) {
    const { words } = this.context;
    const t = words.t.bind(words);
    return h(
      "section",
      { class: "card" },
      h(
        "div",
        { class: "card-head" },
        h(
          "div",
          null,
          h("h2", { dir: "auto" }, list.name),
          h(
            "p",
            { class: "why" },
            t("lists.plates", { n: list.plates.length }),
            " · ",
            t(list.distance ? "lists.distance.1" : "lists.distance.0"),
          ),
        ),
        h(
          "div",
          { class: "tools" },
          h(
            "a",
            { class: "button plain", href: `#${withQuery("/reads", { watchlist: list.name })}` },
            icon("reads"),
            h("span", null, t("lists.reads")),
          ),
          button(t("edit"), () => this.edit(list), { icon: "edit" }),
          button(t("delete"), () => this.discard(list), { icon: "trash", kind: "plain", hidden_label: true }),
        ),
      ),
      list.plates.length > 0 &&
        scroller(
          list.name,
          h(
            "table",
            null,
            h(
              "thead",
              null,
              h(
                "tr",
                null,
                [t("read.plate"), t("lists.note"), t("lists.from"), t("lists.to")].map((text) =>
                  h("th", { scope: "col" }, text),
                ),
              ),
            ),
            h(
              "tbody",
              null,
              list.plates
                .slice(0, SHOWN)
                .map((each) =>
                  h(
                    "tr",
                    null,
                    h("td", null, plateChip(each.plate, "small")),
                    h("td", { dir: "auto" }, each.note),
                    h("td", null, each.valid_from ? words.time(each.valid_from) : "–"),
                    h("td", null, each.valid_to ? words.time(each.valid_to) : "–"),
                  ),
                ),
            ),
          ),
        ),
    );
  }

  /** @param {WatchList | null} list null: a new one */
  edit(list) {
    const { words, api } = this.context;
    const t = words.t.bind(words);
    const name = h("input", { type: "text", required: true, maxlength: 100, value: list?.name ?? "", dir: "auto" });
    const distance = h(
      "select",
      null,
      [0, 1].map((each) =>
        h(
          "option",
          { value: String(each), selected: each === (list?.distance ?? 0) },
          t(each ? "lists.distance.1" : "lists.distance.0"),
        ),
      ),
    );
    const rows = h("div", { class: "stack tight" });
    for (const each of list?.plates ?? []) rows.append(plateRow(each, words));
    const pasted = h("textarea", { rows: 3, spellcheck: "false" });
    dialog({
      title: list ? list.name : t("lists.new"),
      submit: t("save"),
      cancel: t("cancel"),
      wide: true,
      failed: (error) => explain(error, words),
      body: [
        h("div", { class: "columns-2" }, field(t("lists.name"), name), field(t("lists.distance"), distance)),
        rows,
        h(
          "div",
          null,
          button(t("lists.add"), () => rows.appendChild(plateRow(null, words)).querySelector("input")?.focus(), {
            icon: "plus",
          }),
        ),
        field(t("lists.paste"), pasted, t("lists.paste.why")),
      ],
      act: async () => {
        const plates = [...[...rows.children].map(listedIn), ...lines(pasted.value)].filter((each) => each.plate);
        const body = { name: name.value.trim(), distance: Number(distance.value), plates };
        await (list ? api.send("PUT", `${PATH}${encodeURIComponent(list.id)}`, body) : api.send("POST", PATH, body));
        await this.show();
      },
    });
  }

  /** @param {WatchList} list */
  discard(list) {
    const { words, api } = this.context;
    dialog({
      title: words.t("lists.delete", { name: list.name }),
      body: [],
      submit: words.t("delete"),
      cancel: words.t("cancel"),
      danger: true,
      failed: (error) => explain(error, words),
      act: async () => {
        await api.send("DELETE", `${PATH}${encodeURIComponent(list.id)}`);
        await this.show();
      },
    });
  }
}
customElements.define("watchlists-view", WatchListsView);

export { WatchListsView as View };

/**
 * @param {Listed | null} listed
 * @param {import("../i18n.js").Translator} words
 */
function plateRow(listed, words) {
  const t = words.t.bind(words);
  /** @param {string} name @param {string} label @param {string} value @param {string} [type] */
  const input = (name, label, value, type = "text") =>
    h("input", {
      type,
      name,
      "aria-label": label,
      placeholder: type === "text" ? label : null,
      value,
      maxlength: name === "note" ? 500 : 40,
      dir: name === "plate" ? "ltr" : "auto",
    });
  const row = h(
    "div",
    { class: "plate-row" },
    input("plate", t("read.plate"), listed?.plate ?? ""),
    input("note", t("lists.note"), listed?.note ?? ""),
    input("valid_from", t("lists.from"), day(listed?.valid_from), "date"),
    input("valid_to", t("lists.to"), day(listed?.valid_to), "date"),
    button(t("delete"), () => row.remove(), { icon: "trash", kind: "plain", hidden_label: true }),
  );
  return row;
}

/** @param {string | null | undefined} moment */
function day(moment) {
  return moment?.slice(0, 10) ?? "";
}

/**
 * @param {Element} row
 * @returns {Listed}
 */
function listedIn(row) {
  /** @param {string} name */
  const value = (name) => /** @type {HTMLInputElement} */ (row.querySelector(`[name=${name}]`)).value.trim();
  const [from, to] = [value("valid_from"), value("valid_to")];
  return {
    plate: value("plate"),
    note: value("note"),
    valid_from: from ? `${from}T00:00:00Z` : null,
    valid_to: to ? `${to}T23:59:59Z` : null,
  };
}

/**
 * @param {string} text
 * @returns {Listed[]}
 */
function lines(text) {
  return text.split("\n").map((line) => {
    const [plate, ...note] = line.split(/[,;\t]/);
    return { plate: plate.trim(), note: note.join(",").trim(), valid_from: null, valid_to: null };
  });
}
