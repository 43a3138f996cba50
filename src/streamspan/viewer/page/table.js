// The finished calls. Only the rows in sight are in the page, and only the pages around them are asked for: 5,000 calls are as quick as 50.

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import { about, compact, duration, fullTime, money, NONE, rate, time } from "./format.js";
import { badge } from "./outcome.js";
import { line } from "./visible.js";

const PAGE = 100;
const SPARE = 10; // rows above and below those in sight

const COLUMNS = [
  ["outcome", "Outcome"],
  ["started", "Time", "started"],
  ["model", "Model"],
  ["preview", "Output"],
  ["who", "User, session"],
  ["first", "First content", "time_to_first_content"],
  ["duration", "Duration", "duration"],
  ["rate", "Tokens/s"],
  ["tokens", "Tokens in \u2192 out", "output_tokens"],
  ["cost", "Cost", "cost"],
];

export class Table {
  #rows = new Map();
  #nodes = new Map();
  #asked = new Map();
  #generation = 0;
  #frame;

  constructor(place, scroller, { onOpen, onSort, onLoaded, onError }) {
    this.scroller = scroller;
    this.on = { onOpen, onSort, onLoaded, onError };
    this.total = 0;
    this.selected = null;
    this.fresh = new Set();
    this.head = h("div", { class: "row head", role: "row" });
    this.body = h("div", { class: "body", role: "rowgroup" });
    this.grid = h(
      "div",
      { class: "grid", role: "table", "aria-label": "Finished calls", "aria-colcount": COLUMNS.length },
      h("div", { role: "rowgroup", class: "top" }, this.head),
      this.body,
    );
    fill(place, this.grid);
    scroller.addEventListener("scroll", () => this.#later(), { passive: true });
    new ResizeObserver(() => this.#later()).observe(scroller);
    new ResizeObserver(() => this.#later()).observe(place.parentElement.parentElement);
  }

  // Shows what another query finds. The old rows stay until the first of the new ones are there.
  async ask(query, sort) {
    this.query = query;
    this.sort = sort;
    this.#heads();
    await this.reload();
  }

  async reload() {
    const generation = ++this.#generation;
    this.grid.setAttribute("aria-busy", "true");
    for (const waiting of this.#asked.values()) waiting.abort();
    this.#asked.clear();
    const first = Math.floor(this.#range().first / PAGE) * PAGE;
    const found = await this.#page(first, generation);
    if (!found) return;
    this.#rows.clear();
    this.total = found.total;
    this.#keep(first, found.calls);
    this.grid.removeAttribute("aria-busy");
    this.grid.setAttribute("aria-rowcount", String(found.total + 1));
    this.#clear();
    this.on.onLoaded(found);
    this.#draw();
    this.fresh.clear();
  }

  get isAtTop() {
    return this.scroller.scrollTop < Math.max(0, this.#offset()) + 40;
  }

  toTop() {
    this.scroller.scrollTop = 0;
  }

  select(call) {
    this.selected = call && api.key(call);
    for (const row of this.#nodes.values()) this.#select(row);
  }

  // The call that stands so many rows below the selected one (above, if negative); what is not loaded yet is not gone to.
  beside(step) {
    const index = [...this.#rows].find(([, call]) => api.key(call) === this.selected)?.[0];
    const next = index === undefined ? this.#range().first + (this.isAtTop ? 0 : SPARE) : index + step;
    const call = this.#rows.get(next);
    if (call) this.reveal(next);
    return call ?? null;
  }

  reveal(index) {
    const height = this.#height();
    const top = this.#offset() + index * height;
    const covered = this.head.offsetHeight + this.#sticky();
    if (top - covered < this.scroller.scrollTop) this.scroller.scrollTop = top - covered;
    else if (top + height > this.scroller.scrollTop + this.scroller.clientHeight)
      this.scroller.scrollTop = top + height - this.scroller.clientHeight;
  }

  focus(call) {
    [...this.#nodes.values()]
      .find((row) => row.dataset.key === api.key(call))
      ?.querySelector("a")
      ?.focus({ preventScroll: true });
  }

  #heads() {
    fill(
      this.head,
      COLUMNS.map(([name, label, sort]) => this.#heading(name, label, sort)),
    );
  }

  #heading(name, label, sort) {
    const isSorted = sort && this.sort.sort === sort;
    const order = isSorted && (this.sort.order === "asc" ? "ascending" : "descending");
    const next = { sort, order: isSorted && this.sort.order === "desc" ? "asc" : "desc" };
    const content = sort
      ? h(
          "button",
          { type: "button", onclick: () => this.on.onSort(next) },
          label,
          h("i", { class: "arrow", "aria-hidden": "true" }),
        )
      : label;
    return h("span", { class: `cell ${name}`, role: "columnheader", "aria-sort": order || (sort ? "none" : undefined) }, content);
  }

  async #page(offset, generation) {
    const abort = new AbortController();
    this.#asked.set(offset, abort);
    try {
      const found = await api.calls(this.query, offset, PAGE, abort.signal);
      if (generation !== this.#generation) return null;
      if (found.calls.length === 0 && found.total > 0 && offset > 0) return await this.#page(0, generation);
      return found;
    } catch (error) {
      if (error.name !== "AbortError" && generation === this.#generation) this.on.onError(error);
      return null;
    }
  }

  #keep(offset, calls) {
    calls.forEach((call, index) => this.#rows.set(offset + index, call));
  }

  async #need(offset) {
    if (this.#asked.has(offset)) return;
    const found = await this.#page(offset, this.#generation);
    if (!found) return;
    this.total = found.total;
    this.#keep(offset, found.calls);
    for (const [index, node] of this.#nodes) {
      if (node.dataset.key === undefined) {
        node.remove();
        this.#nodes.delete(index);
      }
    }
    this.#draw();
  }

  #height() {
    return parseFloat(getComputedStyle(this.grid).getPropertyValue("--row-height")) || 34;
  }

  #sticky() {
    return parseFloat(getComputedStyle(this.head.parentElement).top) || 0;
  }

  #offset() {
    return this.body.offsetTop - this.scroller.offsetTop - this.head.offsetHeight - this.#sticky();
  }

  #range() {
    const height = this.#height();
    const above = this.scroller.scrollTop - this.#offset();
    const first = Math.max(0, Math.floor(above / height) - SPARE);
    return { first, last: Math.max(0, Math.ceil((above + this.scroller.clientHeight) / height) + SPARE) };
  }

  #later() {
    this.#frame ??= requestAnimationFrame(() => this.#draw());
  }

  #clear() {
    const focused = this.body.contains(document.activeElement) ? document.activeElement.closest(".row")?.dataset.key : undefined;
    for (const node of this.#nodes.values()) node.remove();
    this.#nodes.clear();
    if (focused) this.refocus = focused;
  }

  #draw() {
    this.#frame = undefined;
    const height = this.#height();
    const { first, last } = this.#range();
    const end = Math.min(last, this.total);
    if (height !== this.height) this.#clear(); // the window became a phone's, or was one
    this.height = height;
    this.body.style.height = `${this.total * height}px`;
    for (const [index, node] of this.#nodes) {
      if (index < first || index >= end) {
        node.remove();
        this.#nodes.delete(index);
      }
    }
    for (let index = first; index < end; index++) {
      if (!this.#rows.has(index)) this.#need(Math.floor(index / PAGE) * PAGE);
      if (!this.#nodes.has(index)) this.#place(index, height);
    }
    this.#inOrder();
  }

  // A screen reader and the Tab key go by the order in the page, not by where a row stands.
  #inOrder() {
    let before = null;
    for (const index of [...this.#nodes.keys()].sort((a, b) => a - b)) {
      const node = this.#nodes.get(index);
      if (node.previousElementSibling !== before)
        this.body.insertBefore(node, before ? before.nextSibling : this.body.firstChild);
      before = node;
    }
  }

  #place(index, height) {
    const call = this.#rows.get(index);
    const node = call ? this.#row(call) : h("div", { class: "row blank", role: "row" });
    node.style.transform = `translateY(${index * height}px)`;
    node.setAttribute("aria-rowindex", String(index + 2));
    this.#nodes.set(index, node);
    this.body.append(node);
    if (call) this.#select(node);
    if (this.refocus !== undefined && node.dataset.key === this.refocus) {
      this.refocus = undefined;
      node.querySelector("a").focus({ preventScroll: true });
    }
  }

  #select(row) {
    const isSelected = row.dataset.key !== undefined && row.dataset.key === this.selected;
    row.toggleAttribute("data-selected", isSelected);
    if (isSelected) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }

  #row(call) {
    const row = h(
      "div",
      { class: "row", role: "row" },
      COLUMNS.map(([name]) => h("span", { class: `cell ${name}`, role: "cell" }, CELLS[name](call))),
    );
    row.dataset.key = api.key(call);
    if (this.fresh.delete(row.dataset.key)) row.dataset.fresh = "";
    row.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      this.on.onOpen(call);
    });
    return row;
  }
}

const CELLS = {
  outcome: (call) => badge(call.outcome),
  started: (call) =>
    h("time", { datetime: new Date(call.started_ms).toISOString(), title: fullTime(call.started_ms) }, time(call.started_ms)),
  model: (call) => [
    h(
      "a",
      { href: api.path(call), title: `${line(call.model)} \u00b7 ${line(call.provider ?? "")}` },
      line(call.model ?? "unknown model"),
    ),
    call.source === "foreign" &&
      h("span", { class: "foreign", title: "Not written by streamspan: what another instrumentation said" }, "other"),
  ],
  preview: (call) =>
    call.error
      ? h("span", { class: "wrong", dir: "auto" }, line(call.error).slice(0, 300))
      : h("span", { dir: "auto" }, line((call.preview ?? "").slice(0, 400))),
  who: (call) => line([call.user_id, call.session_id].filter(Boolean).join(" \u00b7 ")),
  first: (call) => duration(call.time_to_first_content_ms),
  duration: (call) => duration(call.duration_ms),
  rate: (call) => rate(call.tokens_per_second),
  tokens: (call) => tokens(call),
  cost: (call) =>
    call.unpriced
      ? h("span", { class: "weak", title: "No price is known for this model" }, "no price")
      : about(money(call.cost), (call.estimated ?? []).length > 0),
};

function tokens(call) {
  if (call.input_tokens === null && call.output_tokens === null) return NONE;
  const estimated = call.estimated ?? [];
  const parts = [
    about(compact(call.input_tokens), estimated.includes("input_tokens")),
    about(compact(call.output_tokens), estimated.includes("output_tokens")),
  ];
  const more = [
    call.cached_tokens && `${compact(call.cached_tokens)} cached`,
    call.reasoning_tokens && `${compact(call.reasoning_tokens)} reasoning`,
  ].filter(Boolean);
  return h("span", { title: more.join(", ") || undefined }, parts[0], h("span", { class: "weak" }, " \u2192 "), parts[1]);
}
