/** Reads: what was read, as it comes and back in time, in one list; counted, put right, and taken away. */

import { ApiError, withQuery } from "../api.js";
import { columns, ranking } from "../components/bar-chart.js";
import { ApiPicture, field, meter, plateChip, scroller, segments } from "../components/parts.js";
import { button, fill, h, icon } from "../dom.js";
import { asDate } from "../i18n.js";
import { Alarm } from "../reads/alarm.js";
import { correctionForm, correctionNote, details, keysHelp, regionName } from "../reads/details.js";
import { download } from "../reads/download.js";
import { eventsSuffice, FILTERS, fits, indexQuery, ReadSource, readsOf } from "../reads/source.js";
import { analytics, BY, filtersOf } from "../reads/statistics.js";
import { swatch } from "../try/finding-card.js";
import { View as Base } from "../view.js";

/** @typedef {import("../types.js").Read} Read */

/** Reads in the list at once while new ones come; older ones are a click away. */
const MOST = 600;
const DOUBTFUL = 0.9;
const SETTLE_MS = 400;
const LATE_MS = 1500;
const AGAIN_MS = 3000;

class ReadsView extends Base {
  /** @param {import("../view.js").Context} context */
  constructor(context) {
    super(context);
    const t = context.words.t.bind(context.words);
    this.source = new ReadSource(context.api);
    this.alarm = new Alarm(localStorage);
    /** @type {Map<string, Read>} */
    this.reads = new Map();
    /** @type {string | null} */
    this.next = null;
    /** @type {import("../reads/source.js").Filters} */
    this.filters = {};
    /** @type {"list" | "groups" | "charts"} */
    this.shape = "list";
    this.live = true;
    /** @type {Map<string, HTMLLIElement>} */
    this.rows = new Map();
    this.chosen = "";
    /** Reads that came since they were last drawn. @type {Read[]} */
    this.arrived = [];
    this.timer = 0;
    this.stale = false;
    this.following = new AbortController();

    this.list = h("ol", { class: "reads", "aria-label": t("nav.reads") });
    this.more = button(t("reads.more"), () => this.attempt(() => this.older()), { icon: "down" });
    this.foot = h("div", { class: "reads-foot" }, this.more);
    this.groups = scroller(t("reads.groups"), null);
    this.groups.classList.add("card");
    this.groups.hidden = true;
    this.charts = h("div", { class: "charts", hidden: true });
    this.state = h("span", { class: "badge", role: "status" });
    this.count = h("p", { role: "status", "aria-live": "polite" });
    this.liveButton = button(t("reads.live"), () => this.goLive(!this.live), { icon: "pause" });
    this.alarmButton = button(
      t("reads.alarm"),
      async () => {
        await this.alarm.turn(!this.alarm.on);
        this.drawTools();
      },
      { icon: "sound" },
    );
    /** @type {Map<string, HTMLInputElement | HTMLSelectElement>} */
    this.inputs = new Map();
    this.listed = h("select", { id: "filter-watchlist" });
    this.chips = h("div", { class: "chips" });
    fill(
      this,
      h(
        "div",
        { class: "head" },
        h("div", null, h("h1", null, t("nav.reads"), " ", this.state), this.count),
        h(
          "div",
          { class: "tools" },
          this.liveButton,
          this.alarmButton,
          button("CSV", () => this.attempt(() => this.export("csv")), { icon: "save" }),
          button("JSON", () => this.attempt(() => this.export("json")), { icon: "save" }),
          button(t("keys"), () => keysHelp(context), { icon: "keyboard", kind: "plain", hidden_label: true }),
          segments(
            t("reads.shape"),
            [
              { value: "list", label: t("reads.list") },
              { value: "groups", label: t("reads.groups") },
              { value: "charts", label: t("reads.charts") },
            ],
            this.shape,
            (shape) => {
              this.shape = shape;
              this.draw();
            },
          ),
        ),
      ),
      this.filterBar(),
      this.chips,
      h("div", { class: "card reads-card" }, this.list, this.foot),
      this.groups,
      this.charts,
    );
    this.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("focusin", (event) => {
      const row = /** @type {HTMLElement} */ (event.target).closest("li");
      if (row?.dataset.id) this.choose(row.dataset.id, false);
    });
  }

  filterBar() {
    const t = this.context.words.t.bind(this.context.words);
    /** @param {string} name @param {import("../dom.js").Properties} look */
    const input = (name, look) => {
      const made = h("input", {
        type: "text",
        id: `filter-${name}`,
        maxlength: 200,
        autocomplete: "off",
        spellcheck: "false",
        ...look,
      });
      made.addEventListener("change", () => this.filter({ [name]: made.value.trim() }));
      this.inputs.set(name, made);
      return made;
    };
    const match = h(
      "select",
      { id: "filter-match" },
      h("option", { value: "" }, t("match.wildcard")),
      h("option", { value: "exact" }, t("match.exact")),
      h("option", { value: "near" }, t("match.near")),
    );
    match.addEventListener("change", () => this.filter({ match: match.value }));
    this.inputs.set("match", match);
    this.listed.addEventListener("change", () => this.filter({ watchlist: this.listed.value }));
    return h(
      "details",
      { class: "card filters", open: matchMedia("(min-width: 900px)").matches },
      h("summary", null, icon("filter"), h("h2", null, t("filters"))),
      h(
        "search",
        null,
        field(t("read.plate"), input("plate", { type: "search", placeholder: "AB12*", dir: "ltr" })),
        field(t("match"), match),
        field(t("read.camera"), input("camera_id", { list: "cameras-known" })),
        field(t("read.region"), input("region", { placeholder: "fr", maxlength: 20 })),
        field(t("vehicle.make"), input("make", {})),
        field(t("vehicle.color"), input("color", {})),
        field(t("nav.watchlists"), this.listed),
        field(t("filter.after"), input("after", { type: "datetime-local" })),
        field(t("filter.before"), input("before", { type: "datetime-local" })),
        button(t("filter.clear"), () => this.context.go("/reads"), { kind: "plain", icon: "close" }),
      ),
    );
  }

  /** @param {URLSearchParams} parameters */
  addressed(parameters) {
    this.filters = {};
    for (const name of FILTERS) {
      const value = parameters.get(name);
      if (value) this.filters[name] = value;
    }
    for (const [name, input] of this.inputs) input.value = asInput(input, this.filters[name] ?? "");
    this.drawLists();
    this.drawChips();
    if (this.isConnected) this.begin();
  }

  shown() {
    this.begin();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.following.abort();
    clearTimeout(this.timer);
  }

  /** @param {import("../reads/source.js").Filters} change */
  filter(change) {
    const wanted = Object.fromEntries(Object.entries({ ...this.filters, ...change }).filter(([, value]) => value));
    this.context.go(withQuery("/reads", wanted));
  }

  /** The watch-lists to choose from; one that the address names is among them, whatever the server says. */
  async drawLists() {
    const { api, words } = this.context;
    const chosen = this.filters.watchlist ?? "";
    /** @param {string[]} names */
    const offer = (names) => {
      fill(
        this.listed,
        h("option", { value: "" }, words.t("filter.any")),
        [...new Set([...names, chosen])].filter(Boolean).map((name) => h("option", { value: name }, name)),
      );
      this.listed.value = chosen;
    };
    offer([]);
    try {
      const lists = await api.list("/v1/watchlists/", this.lifetime.signal);
      if (chosen === (this.filters.watchlist ?? "")) offer(lists.map(({ name }) => name));
    } catch {
      // the reads themselves say what is wrong
    }
  }

  /** What is filtered by without a field of its own: that came from a chart. */
  drawChips() {
    const { words } = this.context;
    const { score_min: score, first_seen: first } = this.filters;
    /** @type {[string, string][]} */
    const chips = [];
    if (score) chips.push(["score_min", `${words.t("read.score")} ${this.nameOf("score", score)}`]);
    if (first) chips.push(["first_seen", this.nameOf("new", first === "true" ? "new" : "returning")]);
    fill(
      this.chips,
      chips.map(([name, text]) =>
        button(text, () => this.filter({ [name]: "" }), {
          icon: "close",
          kind: "plain",
          "aria-label": words.t("filter.remove", { filter: text }),
        }),
      ),
    );
  }

  /** Loads the newest reads, and follows those that come. */
  async begin() {
    this.following.abort();
    this.following = new AbortController();
    const { signal } = this.following;
    this.reads.clear();
    this.arrived = [];
    this.rows.clear();
    fill(
      this.list,
      [1, 2, 3].map(() => h("li", { class: "skeleton", "aria-hidden": "true" })),
    );
    this.drawTools();
    while (!(await this.loaded(signal))) {
      await new Promise((done) => setTimeout(done, AGAIN_MS));
      if (signal.aborted) return;
    }
    if (this.live && !signal.aborted) this.follow(signal);
  }

  /**
   * Loads the newest reads, or shows why that failed.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<boolean>} false: it may succeed a little later, as while the index starts after the server
   */
  async loaded(signal) {
    try {
      await this.load(signal);
    } catch (error) {
      if (signal.aborted) return true;
      this.list.replaceChildren(
        h(
          "li",
          null,
          this.problem(error, () => this.begin()),
        ),
      );
      this.count.textContent = "";
      if (error instanceof ApiError && error.passing) return false;
      this.following.abort();
    }
    return true;
  }

  /** @param {AbortSignal} signal */
  async load(signal) {
    const page = await this.source.page(this.filters, null, signal);
    for (const read of page.reads) this.reads.set(read.id, read);
    this.next = page.next;
    this.noteCameras(page.reads);
    this.draw();
  }

  async older() {
    const page = await this.source.page(this.filters, this.next, this.following.signal);
    for (const read of page.reads) this.reads.set(read.id, read);
    this.next = page.next;
    this.draw();
  }

  /** @param {boolean} live */
  goLive(live) {
    this.live = live;
    this.begin();
  }

  /** @param {AbortSignal} signal */
  async follow(signal) {
    try {
      await this.context.api.follow(
        this.source.events(this.filters),
        {
          onEvent: (data) => {
            this.arrived.push(...readsOf(data).filter((read) => fits(read, this.filters)));
            this.settle(signal);
          },
          onState: (open) => {
            this.state.dataset.level = open ? "good" : "poor";
            fill(this.state, this.context.words.t(open ? "reads.live" : "reads.waiting"));
            this.stale = open; // some may have come before the stream was open
            this.settle(signal);
          },
        },
        signal,
      );
    } catch (error) {
      if (!signal.aborted)
        this.list.prepend(
          h(
            "li",
            null,
            this.problem(error, () => this.begin()),
          ),
        );
    }
  }

  /**
   * Shows what came, at most a few times a second however much it is.
   *
   * @param {AbortSignal} signal
   * @param {number} [pause] milliseconds
   */
  settle(signal, pause = SETTLE_MS) {
    if (this.timer) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      if (!signal.aborted && (this.arrived.length || this.stale)) this.take(signal);
    }, pause);
  }

  /** @param {AbortSignal} signal */
  async take(signal) {
    const arrived = this.arrived;
    this.arrived = [];
    /** @type {Read[]} */
    let page = [];
    try {
      page = (await this.source.page(this.filters, null, signal)).reads; // with watch-lists and counts
      this.stale = false;
    } catch {
      // the events say enough until the server answers again
    }
    if (signal.aborted) return;
    const indexed = new Set(page.map((read) => read.id));
    const early = arrived.filter((read) => !indexed.has(read.id) && !this.reads.has(read.id)).reverse();
    if (early.length) {
      this.stale = true; // the index is a moment behind the events
      this.settle(signal, LATE_MS);
    }
    const fresh = page.filter((read) => !this.reads.has(read.id));
    if (eventsSuffice(this.filters)) fresh.unshift(...early);
    const told = new Set([...this.reads.values()].filter((read) => read.watchlists.length).map((read) => read.id));
    for (const read of page) this.update(read);
    const all = [...fresh, ...this.reads.values()].sort((one, other) => moment(other) - moment(one));
    this.reads = new Map(all.map((read) => [read.id, read]));
    if (this.reads.size > MOST) {
      this.reads = new Map([...this.reads].slice(0, MOST));
      this.next = null;
    }
    this.noteCameras(fresh);
    for (const read of [...page, ...early]) if (read.watchlists.length && !told.has(read.id)) this.hit(read);
    this.draw(new Set(fresh.map((read) => read.id)));
  }

  /**
   * Takes what is known of a read in the place of what was.
   *
   * @param {Read} read
   */
  update(read) {
    const before = this.reads.get(read.id);
    if (!before || JSON.stringify(before) === JSON.stringify(read)) return;
    this.reads.set(read.id, read);
    this.rows.delete(read.id);
  }

  /** @param {Read} read */
  hit(read) {
    const text = this.context.words.t("reads.hit", {
      plate: read.plate.toUpperCase(),
      list: read.watchlists.join(", "),
    });
    this.alarm.raise(text, read.camera_id ?? "");
    this.context.notify(text, "bad");
  }

  /** @param {readonly Read[]} reads */
  noteCameras(reads) {
    const { store } = this.context;
    const known = new Set(store.get("cameras"));
    for (const { camera_id } of reads) if (camera_id) known.add(camera_id);
    if (known.size > store.get("cameras").length) store.set("cameras", [...known].sort().slice(0, 500));
  }

  drawTools() {
    const { words } = this.context;
    fill(
      this.liveButton,
      icon(this.live ? "pause" : "play"),
      h("span", null, words.t(this.live ? "reads.pause" : "reads.resume")),
    );
    this.alarmButton.setAttribute("aria-pressed", String(this.alarm.on));
    if (!this.live) {
      this.state.dataset.level = "";
      fill(this.state, words.t("reads.paused"));
    }
  }

  /** @param {Set<string>} [fresh] */
  draw(fresh = new Set()) {
    const { words } = this.context;
    const all = [...this.reads.values()];
    this.list.parentElement?.toggleAttribute("hidden", this.shape !== "list");
    this.groups.hidden = this.shape !== "groups";
    this.charts.hidden = this.shape !== "charts";
    const said = words.t("reads.count", { n: all.length });
    if (this.count.textContent !== said) this.count.textContent = said;
    this.more.hidden = !this.next;
    if (this.shape === "groups") this.drawGroups();
    if (this.shape === "charts") this.drawCharts();
    if (this.shape !== "list") return;
    if (!all.length) {
      fill(this.list, h("li", { class: "empty" }, words.t(this.next ? "reads.further" : "reads.none")));
      return;
    }
    const seen = all.map((read) => this.rows.get(read.id) ?? this.row(read, fresh.has(read.id)));
    this.rows = new Map(all.map((read, index) => [read.id, seen[index]]));
    if (!this.chosen || !this.rows.has(this.chosen)) this.choose(all[0].id, false);
    const focused = this.list.contains(document.activeElement);
    place(this.list, seen);
    if (focused && !this.list.contains(document.activeElement)) this.choose(this.chosen, true); // its row was made anew
  }

  /**
   * @param {Read} read
   * @param {boolean} fresh
   */
  row(read, fresh) {
    const { words, api } = this.context;
    const { vehicle } = read;
    const hit = read.watchlists.length > 0;
    const doubtful = read.score < DOUBTFUL && !read.correction;
    const plate = read.correction?.plate ?? read.plate;
    return h(
      "li",
      {
        class: ["read", fresh && "fresh", hit && "hit"].filter(Boolean).join(" "),
        data: { id: read.id },
        tabindex: read.id === this.chosen ? "0" : "-1",
        on: { click: () => this.open(read.id) },
        "aria-label": [plate.toUpperCase(), read.camera_id, words.time(read.time), hit && read.watchlists.join(", ")]
          .filter(Boolean)
          .join(", "),
      },
      read.image.plate ? new ApiPicture(api, read.image.plate, "") : h("span", { class: "nopicture" }, icon("car")),
      h("span", { class: "read-plate" }, plateChip(plate)),
      h(
        "span",
        { class: "read-what" },
        read.region.code !== "unknown" &&
          h(
            "abbr",
            { class: "region-code", title: regionName(read.region.code, this.context) },
            read.region.code.toUpperCase(),
          ),
        vehicle &&
          h(
            "span",
            null,
            vehicle.color && swatch(vehicle.color),
            [vehicle.make, vehicle.type].filter(Boolean).join(" "),
          ),
      ),
      h("span", { class: "read-where" }, h("bdi", null, read.camera_id ?? "–")),
      h("time", { datetime: read.time, title: words.fullTime(read.time) }, words.time(read.time)),
      meter(read.score, words),
      h(
        "span",
        { class: "badges" },
        hit &&
          h(
            "strong",
            { class: "badge", data: { level: "hit" } },
            icon("warn"),
            h("bdi", null, read.watchlists.join(", ")),
          ),
        read.correction && correctionNote(read, words),
        doubtful && h("span", { class: "badge", data: { level: "fair" } }, words.t("reads.doubtful")),
        read.seen_before > 0 && h("span", { class: "badge" }, words.t("reads.seen", { n: read.seen_before })),
      ),
    );
  }

  drawGroups() {
    const { words, api } = this.context;
    const { signal } = this.following;
    this.present(this.groups, async () => {
      const { groups } = await api.get(withQuery("/v1/reads/groups", indexQuery(this.filters)), signal);
      const t = words.t.bind(words);
      return h(
        "table",
        null,
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            [t("read.plate"), t("reads.times"), t("reads.first"), t("reads.last"), t("reads.cameras")].map(
              (text, index) => h("th", { scope: "col", class: index === 1 ? "number" : "" }, text),
            ),
          ),
        ),
        h(
          "tbody",
          null,
          groups.map((/** @type {import("../reads/statistics.js").Group} */ group) =>
            h(
              "tr",
              null,
              h(
                "td",
                null,
                h(
                  "a",
                  { href: `#${withQuery("/reads", { plate: group.plate, match: "exact" })}`, class: "bare" },
                  plateChip(group.plate, "small"),
                ),
              ),
              h("td", { class: "number" }, words.number(group.count)),
              h("td", null, words.time(group.first)),
              h("td", null, words.time(group.last)),
              h("td", null, h("bdi", null, group.cameras.filter(Boolean).join(", "))),
            ),
          ),
        ),
      );
    });
  }

  drawCharts() {
    const { words, api } = this.context;
    const { signal } = this.following;
    const t = words.t.bind(words);
    const places = BY.map((by) => {
      const place = h("div");
      this.present(place, async () => {
        const buckets = await analytics(api, by, this.filters, signal);
        if (!buckets.length) return h("p", { class: "empty" }, t("reads.none"));
        /** @param {string} key */
        const choose = (key) => {
          this.shape = "list";
          const list = this.querySelector(".head .segments input");
          if (list instanceof HTMLInputElement) list.checked = true;
          this.filter(filtersOf(by, key));
        };
        const column = by === "hour" || by === "day" || by === "score";
        return column
          ? columns(buckets, (key) => this.nameOf(by, key), { act: choose })
          : ranking(
              buckets,
              (key) => this.nameOf(by, key),
              (count) => words.number(count),
              { act: choose },
            );
      });
      return h("section", { class: "card pad" }, h("h2", null, t(`by.${by}`)), place);
    });
    fill(this.charts, places, this.accuracy());
  }

  /** How many of the reads that somebody checked were right, and what was put right as a folder to learn from. */
  accuracy() {
    const { words, api } = this.context;
    const t = words.t.bind(words);
    const place = h("div");
    this.present(place, async () => {
      const { cameras } = await api.get("/v1/reads/accuracy?by=camera", this.following.signal);
      /** @type {Map<string, string>} */
      const shares = new Map();
      const reviewed = cameras.map((/** @type {{camera_id: string, reviewed: number, correct: number}} */ each) => {
        shares.set(each.camera_id, words.percent(each.reviewed ? each.correct / each.reviewed : 0));
        return { key: each.camera_id, count: each.reviewed };
      });
      if (!reviewed.length) return h("p", { class: "empty" }, t("reads.unchecked"));
      return [
        ranking(
          reviewed,
          (key) => [h("bdi", null, key), " ", h("small", null, shares.get(key) ?? "")],
          (count) => words.number(count),
        ),
        button(
          t("reads.corrections"),
          () =>
            this.attempt(async () =>
              download(await (await api.fetch("/v1/reads/corrections.zip", {})).blob(), "corrections.zip"),
            ),
          { icon: "save" },
        ),
      ];
    });
    return h("section", { class: "card pad" }, h("h2", null, t("reads.accuracy")), place);
  }

  /**
   * @param {import("../reads/statistics.js").By} by
   * @param {string} key
   */
  nameOf(by, key) {
    const { words } = this.context;
    switch (by) {
      case "hour":
        return words.time(key);
      case "day":
        return new Intl.DateTimeFormat(words.locale, { dateStyle: "medium", timeZone: "UTC" }).format(
          new Date(`${key.slice(0, 10)}T00:00:00Z`),
        );
      case "region":
        return regionName(key, this.context);
      case "score":
        return `≥ ${words.number(Number(key), { minimumFractionDigits: 1 })}`;
      case "new":
        return words.t(key === "new" ? "reads.new" : "reads.returning");
      default:
        return key || "–";
    }
  }

  /**
   * @param {string} id
   * @param {boolean} focus
   */
  choose(id, focus) {
    const before = this.rows.get(this.chosen);
    if (before) before.tabIndex = -1;
    this.chosen = id;
    const row = this.rows.get(id);
    if (!row) return;
    row.tabIndex = 0;
    if (focus) row.focus();
  }

  /** @param {string} id */
  open(id) {
    const read = this.reads.get(id);
    if (!read) return;
    details(read, this.context, {
      correct: () => this.correct(read),
      others: () => this.filter({ plate: read.plate, match: "exact" }),
    });
  }

  /** @param {Read} read */
  correct(read) {
    correctionForm(read, this.context, (correction) => this.keep(read, correction));
  }

  /**
   * @param {Read} read
   * @param {import("../types.js").Correction | null} correction
   */
  async keep(read, correction) {
    const path = `/v1/reads/${encodeURIComponent(read.id)}/correction`;
    await (correction ? this.context.api.send("PUT", path, correction) : this.context.api.send("DELETE", path));
    const changed = { ...read, correction };
    this.reads.set(read.id, changed);
    const row = this.row(changed, false);
    this.rows.get(read.id)?.replaceWith(row);
    this.rows.set(read.id, row);
    this.choose(read.id, true);
    this.context.notify(this.context.words.t("read.kept"));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, textarea, dialog")) return;
    const all = [...this.reads.keys()];
    const now = all.indexOf(this.chosen);
    const read = this.reads.get(this.chosen);
    /** @type {Record<string, () => void>} */
    const acts = {
      j: () => this.choose(all[Math.min(now + 1, all.length - 1)], true),
      k: () => this.choose(all[Math.max(now - 1, 0)], true),
      n: () => {
        const doubtful = [...this.reads.values()]
          .slice(now + 1)
          .find((each) => each.score < DOUBTFUL && !each.correction);
        if (doubtful) this.choose(doubtful.id, true);
        else this.context.notify(this.context.words.t("reads.nodoubt"));
      },
      a: () => {
        if (read) this.attempt(() => this.keep(read, { ...read.correction, accepted: true }));
      },
      c: () => {
        if (read) this.correct(read);
      },
      l: () => this.goLive(!this.live),
      "/": () => this.inputs.get("plate")?.focus(),
    };
    acts.arrowdown = acts.j;
    acts.arrowup = acts.k;
    if (target.closest(".read")) acts.enter = () => this.open(this.chosen);
    const act = acts[event.key.toLowerCase()];
    if (!act || (!target.closest(".read") && event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    act();
  }

  /** @param {"csv" | "json"} format */
  async export(format) {
    const name = `reads-${new Date().toISOString().slice(0, 10)}.${format}`;
    const path = withQuery("/v1/reads/export", { format, ...indexQuery(this.filters) });
    download(await (await this.context.api.fetch(path, {})).blob(), name);
  }
}
customElements.define("reads-view", ReadsView);

export { ReadsView as View };

/** @param {Read} read */
function moment(read) {
  return asDate(read.time).getTime();
}

/**
 * Puts rows in order without touching those that stand right.
 *
 * @param {Element} list
 * @param {readonly Element[]} rows
 */
function place(list, rows) {
  const wanted = new Set(rows);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  rows.forEach((row, index) => {
    const there = list.children[index];
    if (there !== row) list.insertBefore(row, there ?? null);
  });
}

/**
 * @param {HTMLInputElement | HTMLSelectElement} input
 * @param {string} value
 */
function asInput(input, value) {
  if (!value || input.type !== "datetime-local") return value;
  const moment = new Date(value);
  const local = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return Number.isNaN(local.getTime()) ? "" : local.toISOString().slice(0, 16);
}
