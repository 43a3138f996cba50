// What it all came to: by day and by model.

import * as api from "./api.js";
import { chart } from "./charts.js";
import { fill, h, icon, say } from "./dom.js";
import { bytes, compact, count, money } from "./format.js";
import { toast } from "./notice.js";
import { line } from "./visible.js";

const SPANS = [
  ["Last 24 hours", 86_400_000],
  ["Last 7 days", 604_800_000],
  ["Last 30 days", 2_592_000_000],
  ["All", 0],
];
const REFRESH_MS = 2_000;
const SURE_MS = 4_000;
const FORGET = "Delete all calls";

export class Totals {
  #later;
  #span = 0;

  constructor(place, { onModel }) {
    this.place = place;
    this.onModel = onModel;
    this.body = h("div", { class: "totals-body" });
    const choose = h(
      "select",
      { "aria-label": "Time", onchange: (event) => this.#within(Number(event.target.value)) },
      SPANS.map(([name, ms]) => h("option", { value: String(ms), selected: ms === 0 }, name)),
    );
    this.remove = h(
      "button",
      { class: "button bare danger", type: "button", onclick: () => this.#forget() },
      icon("trash"),
      h("span", {}, FORGET),
    );
    fill(place, h("div", { class: "totals-head" }, h("h2", { class: "heading" }, "Totals"), this.remove, choose), this.body);
  }

  async show() {
    this.place.hidden = false;
    if (!this.body.firstChild) fill(this.body, h("p", { class: "weak" }, "Loading"));
    try {
      this.#draw(await api.totals(this.#span && Date.now() - this.#span));
    } catch (error) {
      fill(
        this.body,
        h(
          "div",
          { class: "state" },
          h("p", {}, error.message),
          h("button", { class: "button", type: "button", onclick: () => this.show() }, "Try again"),
        ),
      );
    }
  }

  hide() {
    this.place.hidden = true;
  }

  // Something ended: shown soon, and not for each of many.
  changed() {
    if (this.place.hidden || this.#later) return;
    this.#later = setTimeout(() => {
      this.#later = undefined;
      if (!this.place.hidden) this.show();
    }, REFRESH_MS);
  }

  // The first click asks, the second one, soon after it, does it.
  async #forget() {
    const word = this.remove.querySelector("span");
    const isSure = this.remove.hasAttribute("data-sure");
    clearTimeout(this.unsure);
    this.remove.toggleAttribute("data-sure", !isSure);
    say(word, isSure ? FORGET : "Really delete all?");
    if (!isSure) return void (this.unsure = setTimeout(() => this.#calm(word), SURE_MS));
    try {
      await api.clear();
    } catch (error) {
      toast(error.message);
    }
  }

  #calm(word) {
    this.remove.removeAttribute("data-sure");
    say(word, FORGET);
  }

  #within(ms) {
    this.#span = ms;
    this.show();
  }

  #draw({ by_model: models, by_day: days, stored }) {
    const said = JSON.stringify([models, days, stored]);
    if (said === this.said && this.body.querySelector(".tiles")) return;
    this.said = said;
    this.remove.hidden = models.length === 0;
    if (models.length === 0)
      return void fill(
        this.body,
        h(
          "div",
          { class: "state" },
          h("h3", {}, "Nothing to add up yet"),
          h("p", { class: "weak" }, "Totals appear with the first finished call."),
        ),
      );
    fill(
      this.body,
      tiles(models, stored),
      h(
        "div",
        { class: "pair-of-charts" },
        perDay("Cost by day", days, "cost", money),
        perDay("Calls by day", days, "calls", count),
      ),
      perModel(models, this.onModel),
    );
  }
}

function tiles(models, stored) {
  const sum = (name) => models.reduce((all, model) => all + (model[name] ?? 0), 0);
  const failed = sum("failed");
  const said = [
    ["Calls", compact(sum("calls"))],
    ["Cost", money(sum("cost"))],
    ["Tokens in", compact(sum("input_tokens"))],
    ["Tokens out", compact(sum("output_tokens"))],
    ["Failed", `${compact(failed)}${failed ? ` (${share(failed, sum("calls"))})` : ""}`],
    ["Stored", stored ? `${compact(stored.calls)} calls, ${bytes(stored.bytes)}` : ""],
  ];
  return h(
    "dl",
    { class: "tiles" },
    said.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

const share = (part, whole) => `${((100 * part) / whole).toFixed(part / whole < 0.1 ? 1 : 0)} %`;

function perDay(title, days, name, format) {
  const filled = everyDay(days);
  const values = filled.map((day) => day[name] ?? 0);
  const sum = values.reduce((all, value) => all + value, 0);
  const hint = `${format(sum)} in ${filled.length} ${filled.length === 1 ? "day" : "days"}`;
  const half = Math.max(0.5, (7 - filled.length) / 2); // a single day is no bar as wide as the page
  return h(
    "section",
    { class: "box" },
    h("h3", {}, title),
    chart({
      label: `${title}. ${hint}`,
      hint,
      height: 190,
      kind: "bars",
      isWhole: true,
      range: [-half, filled.length - 1 + half],
      xs: filled.map((_, index) => index),
      ys: values,
      xText: (at) => (filled[at] ? short(filled[at].day) : ""),
      yText: format,
      told: (at) => `${short(filled[at].day)}: ${format(filled[at][name] ?? 0)}`,
    }),
  );
}

// A day without a call is a day.
function everyDay(days) {
  const known = new Map(days.map((day) => [day.day, day]));
  const sorted = [...known.keys()].sort();
  if (sorted.length === 0) return [];
  const found = [];
  const last = new Date(`${sorted.at(-1)}T00:00:00Z`);
  for (const at = new Date(`${sorted[0]}T00:00:00Z`); at <= last && found.length < 400; at.setUTCDate(at.getUTCDate() + 1)) {
    const day = at.toISOString().slice(0, 10);
    found.push(known.get(day) ?? { day });
  }
  return found;
}

const dayName = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const short = (day) => dayName.format(new Date(`${day}T00:00:00Z`));

function perModel(models, onModel) {
  const most = Math.max(...models.map((model) => model.cost ?? 0), Number.MIN_VALUE);
  const sorted = [...models].sort((a, b) => (b.cost ?? -1) - (a.cost ?? -1) || b.calls - a.calls);
  return h(
    "section",
    { class: "box" },
    h("h3", {}, "By model"),
    h(
      "div",
      { class: "wide" },
      h(
        "table",
        { class: "by-model" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Model", "Calls", "Failed", "Tokens in", "Tokens out", "Cost"].map((name, at) =>
              h("th", { scope: "col", class: at ? "figure" : undefined }, name),
            ),
            h("th", { scope: "col" }, h("span", { class: "unseen" }, "Share of the cost")),
          ),
        ),
        h(
          "tbody",
          {},
          sorted.map((model) => modelRow(model, most, onModel)),
        ),
      ),
    ),
  );
}

function modelRow(model, most, onModel) {
  const bar = h("i", { class: "share" });
  bar.style.width = `${(100 * (model.cost ?? 0)) / most}%`;
  const name = h(
    "button",
    { class: "text-button", type: "button", title: "Show the calls of this model", onclick: () => onModel(model.model) },
    line(model.model ?? "unknown model"),
  );
  const figures = [
    compact(model.calls),
    model.failed ? h("span", { class: "wrong" }, compact(model.failed)) : "0",
    compact(model.input_tokens),
    compact(model.output_tokens),
    money(model.cost),
  ];
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, name),
    figures.map((value) => h("td", { class: "figure" }, value)),
    h("td", { class: "share-cell", "aria-hidden": "true" }, bar),
  );
}
