// What the table is narrowed to. Every choice says how many calls it has; what is chosen is in the address.

import { FILTERS } from "./address.js";
import { fill, h, icon } from "./dom.js";
import { compact } from "./format.js";
import { mark, OUTCOMES } from "./outcome.js";
import { line } from "./visible.js";

const TYPING_MS = 180;
const CHOICES = [
  ["model", "Model", "Any model"],
  ["user", "User", "Any user"],
  ["session", "Session", "Any session"],
  ["tag", "Tag", "Any tag"],
  ["service", "Service", "Any service"],
  ["project", "Project", "Any project"],
];
const SPANS = [
  ["", "Any time"],
  ["15m", "Last 15 minutes"],
  ["1h", "Last hour"],
  ["24h", "Last 24 hours"],
  ["7d", "Last 7 days"],
];

export class Filters {
  #typing;

  constructor(form, { filters, onChange }) {
    this.form = form;
    this.filters = filters;
    this.onChange = onChange;
    this.search = h("input", {
      type: "search",
      name: "q",
      placeholder: "Search text, error, id",
      "aria-label": "Search",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.#typed(),
    });
    this.selects = Object.fromEntries(CHOICES.map(([name, label]) => [name, this.#select(name, label)]));
    this.span = this.#select("within", "Time");
    this.costs = ["min_cost", "max_cost"].map((name) => this.#cost(name));
    this.outcomes = h("div", { class: "chips", role: "group", "aria-label": "Outcome" });
    this.reset = h(
      "button",
      { class: "button bare reset", type: "button", title: "Remove all filters (x)", onclick: () => this.clear() },
      icon("close"),
      h("span", {}, "Clear filters"),
    );
    this.more = h(
      "button",
      {
        class: "button more",
        type: "button",
        "aria-expanded": "false",
        "aria-controls": "choices",
        onclick: () => this.#unfold(),
      },
      icon("filter"),
      h("span", {}, "Filters"),
    );
    this.choices = h(
      "div",
      { class: "choices", id: "choices" },
      Object.values(this.selects),
      this.span,
      h(
        "span",
        { class: "cost", role: "group", "aria-label": "Cost in USD" },
        h("span", { class: "unit" }, "$"),
        this.costs[0],
        h("span", { class: "unit" }, "to"),
        this.costs[1],
      ),
    );
    fill(
      form,
      h("label", { class: "search" }, icon("search"), this.search, h("kbd", { "aria-hidden": "true" }, "/")),
      this.more,
      this.choices,
      this.reset,
      this.outcomes,
    );
    fill(
      this.span,
      SPANS.map(([value, name]) => h("option", { value }, name)),
    );
    form.addEventListener("submit", (event) => event.preventDefault());
    this.facets({});
    this.show(filters);
  }

  show(filters) {
    this.filters = filters;
    this.search.value = filters.q ?? "";
    for (const cost of this.costs) cost.value = filters[cost.name] ?? "";
    for (const select of [...Object.values(this.selects), this.span]) this.#choose(select, filters[select.name] ?? "");
    this.#mark();
  }

  // What there is to choose from, with counts: {model: {name: count}, ...}
  facets(facets, total) {
    for (const [name, , any] of CHOICES) this.#offer(this.selects[name], any, facets[name] ?? {});
    const found = facets.outcome ?? {};
    const names = [...OUTCOMES, ...Object.keys(found).filter((name) => !OUTCOMES.includes(name))];
    const shown = names.filter((name) => found[name] || this.filters.outcome === name);
    const all = total ?? Object.values(found).reduce((sum, number) => sum + number, 0);
    if (this.outcomes.contains(document.activeElement)) this.refocus = document.activeElement.dataset.value;
    fill(
      this.outcomes,
      shown.length > 0 && [this.#chip("", "all", all), shown.map((name) => this.#chip(name, name, found[name] ?? 0))],
    );
    if (this.refocus !== undefined) this.outcomes.querySelector(`[data-value="${CSS.escape(this.refocus)}"]`)?.focus();
    this.refocus = undefined;
  }

  clear() {
    this.#change({});
  }

  focus() {
    this.search.focus();
    this.search.select();
  }

  #chip(value, name, number) {
    const isOn = (this.filters.outcome ?? "") === value;
    const label = [value && mark(value), h("span", {}, line(name)), h("span", { class: "number" }, compact(number))];
    return h(
      "button",
      {
        class: "chip",
        type: "button",
        "data-value": value,
        "aria-pressed": String(isOn),
        onclick: () => this.#change({ ...this.filters, outcome: isOn ? "" : value }),
      },
      label,
    );
  }

  #select(name, label) {
    return h("select", {
      name,
      "aria-label": label,
      onchange: (event) => this.#change({ ...this.filters, [name]: event.target.value }),
    });
  }

  #cost(name) {
    const label = name === "min_cost" ? "Least cost" : "Greatest cost";
    return h("input", {
      name,
      class: "number-input",
      type: "text",
      inputmode: "decimal",
      placeholder: name === "min_cost" ? "min" : "max",
      "aria-label": label,
      autocomplete: "off",
      oninput: () => this.#typed(),
    });
  }

  // The select is left alone where nothing changed: an open list would be closed.
  #offer(select, any, found) {
    const chosen = this.filters[select.name] ?? "";
    const names = Object.keys(found).sort((a, b) => found[b] - found[a] || a.localeCompare(b));
    if (chosen && !names.includes(chosen)) names.unshift(chosen);
    const options = [["", any], ...names.map((name) => [name, `${line(name)} (${compact(found[name] ?? 0)})`])];
    select.hidden = names.length < 2 && !chosen; // what all calls have in common narrows nothing
    const said = JSON.stringify(options);
    if (select.offered !== said) {
      select.offered = said;
      fill(
        select,
        options.map(([value, text]) => h("option", { value }, text)),
      );
    }
    this.#choose(select, chosen);
  }

  #choose(select, value) {
    if (value && ![...select.options].some((option) => option.value === value))
      select.append(h("option", { value }, line(value)));
    select.value = value;
    select.toggleAttribute("data-on", value !== "");
  }

  #typed() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => {
      const costs = Object.fromEntries(this.costs.map((cost) => [cost.name, number(cost)]));
      this.#change({ ...this.filters, q: this.search.value.trim(), ...costs }, { isTyping: true });
    }, TYPING_MS);
  }

  #change(filters, { isTyping = false } = {}) {
    clearTimeout(this.#typing);
    const said = Object.fromEntries(FILTERS.filter((name) => filters[name]).map((name) => [name, filters[name]]));
    this.filters = said;
    if (isTyping) this.#mark();
    else this.show(said);
    this.onChange(said);
  }

  #mark() {
    const on = Object.keys(this.filters).filter((name) => name !== "q" && name !== "outcome").length;
    this.reset.hidden = Object.keys(this.filters).length === 0;
    for (const cost of this.costs) cost.toggleAttribute("data-on", Boolean(this.filters[cost.name]));
    this.more.querySelector("span").textContent = on ? `Filters (${on})` : "Filters";
  }

  #unfold() {
    const isOpen = this.form.toggleAttribute("data-open");
    this.more.setAttribute("aria-expanded", String(isOpen));
  }
}

function number(input) {
  const text = input.value.trim().replace(",", ".");
  const isNumber = text === "" || (Number.isFinite(Number(text)) && Number(text) >= 0);
  input.setAttribute("aria-invalid", String(!isNumber));
  return isNumber ? text : "";
}
