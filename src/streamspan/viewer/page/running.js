// The calls that run: a card for each, on which the text grows and the numbers tick. A card that has ended says so, and leaves.

import { key, path } from "./api.js";
import { fill, h, say } from "./dom.js";
import { about, compact, duration, money, NONE, rate } from "./format.js";
import { badge } from "./outcome.js";
import { line, visible } from "./visible.js";

const TICK_MS = 100;
const STAYS_MS = 1_600;
const STALLED_MS = 2_000;
const SHOWN_CHARACTERS = 1_500; // more than a card can hold

export class Running {
  #cards = new Map();
  #texts = new Map();
  #pending = new Map();
  #ticking;
  #frame;

  constructor(section, { onOpen, onChange }) {
    this.section = section;
    this.place = section.querySelector(".cards");
    this.number = section.querySelector(".number");
    this.onOpen = onOpen;
    this.onChange = onChange;
    this.isPaused = false;
    this.isLost = false;
  }

  get size() {
    return [...this.#cards.values()].filter((card) => !card.isOver).length;
  }

  find(call) {
    const card = this.#cards.get(key(call));
    return card && { summary: card.summary, text: this.#texts.get(key(call)) ?? "" };
  }

  // All that runs now, as the server says: what is not among it has ended unseen.
  replace(summaries) {
    const running = new Set(summaries.map(key));
    for (const [id, card] of this.#cards) if (!running.has(id) && !card.isOver) this.#drop(id);
    for (const summary of summaries) this.update(summary, summary.preview ?? "");
  }

  // Many may come in one frame; only the last of each call is drawn.
  update(summary, text) {
    if (text) this.#texts.set(key(summary), text);
    this.#pending.set(key(summary), { summary, at: performance.now() - ageOf(summary) });
    if (!this.isPaused) this.#frame ??= requestAnimationFrame(() => this.#draw());
  }

  end(summary) {
    const id = key(summary);
    this.#pending.delete(id);
    const card = this.#cards.get(id);
    if (!card || card.isOver) return;
    card.finish(summary);
    this.#count();
    setTimeout(() => this.#drop(id), STAYS_MS);
  }

  // Nothing is known of the calls while the viewer does not answer: what is shown is how they were.
  lose(isLost) {
    this.isLost = isLost;
  }

  pause(isPaused) {
    this.isPaused = isPaused;
    if (!isPaused) this.#draw();
  }

  select(call) {
    for (const [id, card] of this.#cards) card.node.toggleAttribute("data-selected", call !== null && id === key(call));
  }

  clear() {
    for (const id of [...this.#cards.keys()]) this.#drop(id);
    this.#pending.clear();
  }

  #draw() {
    this.#frame = undefined;
    for (const [id, { summary, at }] of this.#pending) {
      let card = this.#cards.get(id);
      if (!card) {
        card = new Card(summary, this.onOpen);
        this.#cards.set(id, card);
        this.place.append(card.node);
      }
      if (!card.isOver) card.draw(summary, this.#texts.get(id) ?? "", at);
    }
    this.#pending.clear();
    this.#measure();
    this.#count();
    this.#ticking ??= setInterval(() => this.#tick(), TICK_MS);
  }

  // First all are read, then all are written: the page is laid out once.
  #measure() {
    const cards = [...this.#cards.values()].filter((card) => card.text.checkVisibility({ contentVisibilityAuto: true }));
    const full = cards.map((card) => card.text.offsetHeight > card.text.parentElement.clientHeight);
    cards.forEach((card, index) => card.text.parentElement.toggleAttribute("data-full", full[index]));
  }

  #drop(id) {
    this.#cards.get(id)?.node.remove();
    this.#cards.delete(id);
    this.#texts.delete(id);
    this.#pending.delete(id);
    this.#count();
  }

  #count() {
    this.section.hidden = this.#cards.size === 0;
    this.section.toggleAttribute("data-many", this.#cards.size > 6);
    say(this.number, String(this.size));
    this.onChange(this.size);
  }

  #tick() {
    if (this.#cards.size === 0) {
      clearInterval(this.#ticking);
      this.#ticking = undefined;
    } else if (!document.hidden && !this.isPaused && !this.isLost) {
      for (const card of this.#cards.values()) card.tick();
    }
  }
}

class Card {
  isOver = false;

  constructor(summary, onOpen) {
    this.state = h("span", {});
    this.model = h("a", { class: "model", href: path(summary) });
    this.who = h("span", { class: "who" });
    this.elapsed = h("span", { class: "elapsed" });
    this.text = h("p", { class: "text", dir: "auto" });
    this.first = figure("first content");
    this.rate = figure("tokens/s");
    this.tokens = figure("tokens");
    this.cost = figure("cost");
    this.node = h(
      "article",
      { class: "card" },
      h("header", {}, this.state, this.model, this.who, this.elapsed),
      h("div", { class: "window" }, this.text),
      h("dl", {}, this.first.node, this.rate.node, this.tokens.node, this.cost.node),
    );
    this.node.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || getSelection().toString()) return;
      event.preventDefault();
      onOpen(this.summary);
    });
  }

  draw(summary, text, at) {
    this.summary = summary;
    this.at = at;
    say(this.model, line(summary.model ?? "unknown model"));
    say(this.who, line([summary.service, summary.user_id].filter(Boolean).join(" \u00b7 ")));
    say(this.text, visible(soFar(summary, text).slice(-SHOWN_CHARACTERS)));
    this.first.set(duration(summary.time_to_first_content_ms));
    this.#figures(summary);
    this.tick();
  }

  tick() {
    if (this.isOver) return;
    const elapsed = elapsedOf(this.summary, this.at);
    say(this.elapsed, duration(elapsed));
    const stands = (this.summary.stalled_ms ?? 0) + performance.now() - this.at;
    const state = standing(this.summary, stands);
    this.#state(state, state === "stalled" ? `stalled ${duration(stands)}` : state);
  }

  finish(summary) {
    this.isOver = true;
    this.#state(summary.outcome);
    this.node.dataset.over = "";
    say(this.elapsed, duration(summary.duration_ms));
    if (summary.preview) say(this.text, visible(summary.preview.slice(-SHOWN_CHARACTERS)));
    this.first.set(duration(summary.time_to_first_content_ms));
    this.#figures(summary);
  }

  #figures(summary) {
    const isEstimate = (summary.estimated ?? []).includes("output_tokens");
    this.rate.set(rate(summary.tokens_per_second ?? tokensPerSecond(summary)));
    this.tokens.set(about(compact(summary.output_tokens), isEstimate));
    this.cost.set(summary.unpriced ? "no price" : about(money(summary.cost), isEstimate));
  }

  #state(state, word) {
    if (this.node.dataset.state !== state) {
      this.node.dataset.state = state;
      fill(this.state, badge(state));
    }
    say(this.state.querySelector(".word"), word ?? state);
  }
}

function figure(name) {
  const value = h("dd", {}, NONE);
  return { node: h("div", {}, h("dt", {}, name), value), set: (text) => say(value, text) };
}

// Half a second without a chunk is not yet worth a colour.
export function standing(summary, stands = summary.stalled_ms ?? 0) {
  if (summary.outcome !== "running") return summary.outcome;
  if (summary.state === "waiting") return "waiting";
  return stands >= STALLED_MS ? "stalled" : "running";
}

// The server knows the end of a long text only.
export function soFar(summary, text) {
  return text.length >= SHOWN_CHARACTERS && summary.characters > text.length ? `\u2026${text}` : text;
}

// How long ago it was so, by the clock of the viewer: that of the program may be a wrong one.
export const ageOf = (summary) => summary.heard_ms_ago ?? 0;

// The clock of the machine that the call runs on may be another one: its own count goes on here, from when it came.
export function elapsedOf(summary, at) {
  const since = performance.now() - at;
  if (summary.duration_ms !== null && summary.duration_ms !== undefined) return summary.duration_ms + since;
  return Math.max(0, Date.now() - summary.started_ms);
}

export function tokensPerSecond(summary) {
  const speaking = (summary.duration_ms ?? 0) - (summary.stalled_ms ?? 0) - (summary.time_to_first_content_ms ?? 0);
  return summary.output_tokens && speaking > 250 ? (summary.output_tokens * 1000) / speaking : null;
}
