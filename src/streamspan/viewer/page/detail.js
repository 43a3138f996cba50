// One call, in the panel beside the table (on a phone: over it).

import * as api from "./api.js";
import { attributes } from "./attributes.js";
import { conversation, growing } from "./conversation.js";
import { copy } from "./copying.js";
import { fill, h, icon, say } from "./dom.js";
import { about, compact, duration, fullTime, money, rate } from "./format.js";
import { announce } from "./notice.js";
import { badge } from "./outcome.js";
import { ageOf, elapsedOf, soFar, standing, tokensPerSecond } from "./running.js";
import { timing } from "./timing.js";
import { usage } from "./usage.js";
import { line, visible } from "./visible.js";
import { waterfall } from "./waterfall.js";

export const TABS = [
  ["conversation", "Conversation"],
  ["timing", "Usage and timing"],
  ["trace", "Trace"],
  ["attributes", "Attributes"],
];
const PLAIN = "streamspan.plain";

export class Detail {
  #asked;
  #ticking;

  constructor(panel, { onClose, onOpen, onTab, onFilter, live }) {
    this.panel = panel;
    this.on = { onClose, onOpen, onTab, onFilter };
    this.live = live; // what is known of a call that runs: {summary, text} or undefined
    this.call = null;
    this.isPlain = localStorage.getItem(PLAIN) === "true";
  }

  get isOpen() {
    return this.call !== null;
  }

  async show(call, tab) {
    this.call = call;
    this.tab = TABS.some(([name]) => name === tab) ? tab : "conversation";
    this.detail = null;
    this.panel.hidden = false;
    this.panel.scrollTop = 0;
    const live = this.live(call);
    if (live) this.#frame(live.summary);
    else if (!this.panel.firstChild) fill(this.panel, h("div", { class: "state" }, h("p", {}, "Loading")));
    await this.#load();
  }

  close() {
    this.#asked?.abort();
    clearInterval(this.#ticking);
    this.call = null;
    this.detail = null;
    this.panel.hidden = true;
    fill(this.panel);
  }

  is(call) {
    return this.call !== null && api.key(this.call) === api.key(call);
  }

  // A step of a call that runs.
  update(summary, text) {
    if (!this.detail || this.detail.summary.outcome !== "running") return;
    this.detail.summary = summary;
    this.at = performance.now() - ageOf(summary);
    if (text) this.text = text;
    this.#figures(summary);
    this.#grow();
  }

  // Who reads at the end stays at the end.
  #grow() {
    const isAtEnd = this.panel.scrollTop + this.panel.clientHeight > this.panel.scrollHeight - 40;
    this.grown?.set(soFar(this.detail.summary, this.text ?? ""));
    if (this.grown && isAtEnd) this.panel.scrollTop = this.panel.scrollHeight;
  }

  async ended() {
    await this.#load();
  }

  pick(tab) {
    this.tab = tab;
    for (const button of this.panel.querySelectorAll("[role=tab]")) {
      const isOn = button.dataset.tab === tab;
      button.setAttribute("aria-selected", String(isOn));
      button.tabIndex = isOn ? 0 : -1;
    }
    this.#fillTab();
  }

  async copy(format) {
    if (!this.call) return;
    try {
      await copy(await api.exported(this.call, format), format === "json" ? "JSON" : "Markdown");
    } catch (error) {
      this.#failed(error);
    }
  }

  copyLink() {
    if (this.call) copy(new URL(api.path(this.call), location.origin).href, "Link");
  }

  async #load() {
    this.#asked?.abort();
    const asked = (this.#asked = new AbortController());
    const call = this.call;
    this.panel.setAttribute("aria-busy", "true");
    try {
      const detail = await api.detail(call, asked.signal);
      if (asked.signal.aborted) return;
      this.detail = detail;
      this.at = performance.now() - ageOf(detail.summary);
      this.text = this.live(call)?.text || detail.summary.preview || "";
      this.#frame(detail.summary);
      this.#fillTab();
      announce(`${line(detail.summary.model ?? "unknown model")}, ${detail.summary.outcome}`);
    } catch (error) {
      if (error.name !== "AbortError") this.#failed(error);
    } finally {
      if (!asked.signal.aborted) this.panel.removeAttribute("aria-busy");
    }
  }

  #failed(error) {
    fill(
      this.panel,
      h(
        "div",
        { class: "state" },
        h("h2", {}, "This call cannot be shown"),
        h("p", {}, error.message),
        h(
          "p",
          { class: "actions" },
          h("button", { class: "button", type: "button", onclick: () => this.#load() }, "Try again"),
          h("button", { class: "button", type: "button", onclick: () => this.on.onClose() }, "Close"),
        ),
      ),
    );
  }

  #frame(summary) {
    this.figures = {};
    this.place = h("div", { class: "tab-panel", role: "tabpanel", id: "tab-panel", tabindex: "0" });
    fill(
      this.panel,
      h("header", { class: "panel-head" }, this.#title(summary), this.#strip(summary), this.#tabs()),
      summary.error && h("p", { class: "error", role: "note", dir: "auto" }, visible(summary.error)),
      this.place,
    );
    this.#figures(summary);
    clearInterval(this.#ticking);
    if (summary.outcome === "running") this.#ticking = setInterval(() => this.#tick(), 100);
  }

  #title(summary) {
    const model = line(summary.model ?? "unknown model");
    const other = summary.response_model && summary.response_model !== summary.model ? line(summary.response_model) : "";
    this.state = h("span", { class: "standing" });
    return h(
      "div",
      { class: "title-row" },
      h(
        "button",
        {
          class: "button bare close",
          type: "button",
          "aria-label": "Close",
          title: "Close (Esc)",
          onclick: () => this.on.onClose(),
        },
        icon("back"),
      ),
      h(
        "div",
        { class: "titles" },
        h("h2", {}, h("span", { class: "model" }, model), this.state),
        h(
          "p",
          { class: "weak about" },
          [summary.operation, summary.provider, other && `answered by ${other}`, summary.service, fullTime(summary.started_ms)]
            .filter(Boolean)
            .map(line)
            .join(" \u00b7 "),
        ),
        this.#who(summary),
      ),
      h(
        "div",
        { class: "actions" },
        button("Markdown", "copy", "Copy as Markdown (c)", () => this.copy("markdown")),
        button("JSON", "copy", "Copy as JSON (Shift+C)", () => this.copy("json")),
        button("", "link", "Copy a link to this call (l)", () => this.copyLink()),
      ),
    );
  }

  // A click on one of them narrows the table to it.
  #who(summary) {
    const said = [
      ["user", summary.user_id],
      ["session", summary.session_id],
      ["project", summary.project],
      ...(summary.tags ?? []).map((tag) => ["tag", tag]),
    ].filter(([, value]) => value);
    if (said.length === 0) return null;
    return h(
      "p",
      { class: "who-list" },
      said.map(([name, value]) =>
        h(
          "button",
          { class: "tag", type: "button", title: `Show the calls of this ${name}`, onclick: () => this.on.onFilter(name, value) },
          h("span", { class: "weak" }, `${name} `),
          line(value),
        ),
      ),
    );
  }

  #strip() {
    const cells = [
      ["duration", "Duration"],
      ["first", "First content"],
      ["rate", "Tokens/s"],
      ["input", "In"],
      ["output", "Out"],
      ["cost", "Cost"],
    ];
    return h(
      "dl",
      { class: "strip" },
      cells.map(([name, title]) => h("div", {}, h("dt", {}, title), (this.figures[name] = h("dd", {})))),
    );
  }

  #figures(summary) {
    const estimated = summary.estimated ?? [];
    const isRunning = summary.outcome === "running";
    say(this.figures.duration, duration(isRunning ? elapsedOf(summary, this.at ?? performance.now()) : summary.duration_ms));
    say(this.figures.first, duration(summary.time_to_first_content_ms));
    say(this.figures.rate, rate(summary.tokens_per_second ?? (isRunning ? tokensPerSecond(summary) : null)));
    say(this.figures.input, about(compact(summary.input_tokens), estimated.includes("input_tokens")));
    say(this.figures.output, about(compact(summary.output_tokens), estimated.includes("output_tokens")));
    say(this.figures.cost, summary.unpriced ? "no price" : about(money(summary.cost), estimated.length > 0));
    fill(this.state, badge(standing(summary)));
  }

  #tick() {
    const summary = this.detail?.summary;
    if (summary?.outcome === "running" && !document.hidden && !this.isLost) say(this.figures.duration, duration(elapsedOf(summary, this.at)));
  }

  #tabs() {
    const buttons = TABS.map(([name, title]) =>
      h(
        "button",
        {
          type: "button",
          role: "tab",
          "data-tab": name,
          id: `tab-${name}`,
          "aria-controls": "tab-panel",
          "aria-selected": String(name === this.tab),
          tabindex: name === this.tab ? "0" : "-1",
          onclick: () => this.on.onTab(name),
        },
        title,
      ),
    );
    const list = h("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the call" }, buttons);
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = TABS[(TABS.findIndex(([name]) => name === this.tab) + step + TABS.length) % TABS.length][0];
      this.on.onTab(next);
      list.querySelector(`[data-tab=${next}]`).focus();
    });
    return list;
  }

  #fillTab() {
    this.grown = undefined;
    if (!this.detail || !this.place) return;
    this.place.setAttribute("aria-labelledby", `tab-${this.tab}`);
    if (this.tab === "conversation") this.#conversation();
    else if (this.tab === "timing") fill(this.place, usage(this.detail), timing(this.detail));
    else if (this.tab === "attributes") fill(this.place, attributes(this.detail));
    else this.#trace();
  }

  #conversation() {
    const isRunning = this.detail.summary.outcome === "running";
    const shown = isRunning ? { ...this.detail, output: [] } : this.detail;
    const nodes = conversation(shown, { isPlain: this.isPlain }).flat().filter(Boolean);
    fill(this.place, nodes);
    if (isRunning) {
      this.grown = growing();
      this.place.append(this.grown.node);
      this.#grow();
    } else if (nodes.length === 0) {
      this.place.append(
        this.detail.summary.preview ? h("p", { class: "said", dir: "auto" }, visible(this.detail.summary.preview)) : nothing(),
      );
    } else {
      this.place.prepend(this.#plainSwitch());
    }
  }

  #plainSwitch() {
    return h(
      "button",
      {
        class: "button bare plain",
        type: "button",
        "aria-pressed": String(this.isPlain),
        title: "Show texts as they are, without Markdown (m)",
        onclick: () => this.switchPlain(),
      },
      "Plain text",
    );
  }

  switchPlain() {
    this.isPlain = !this.isPlain;
    localStorage.setItem(PLAIN, String(this.isPlain));
    if (this.tab === "conversation") this.#fillTab();
  }

  async #trace() {
    fill(this.place, h("p", { class: "weak" }, "Loading"));
    try {
      const { spans } = await api.trace(this.call.trace_id);
      if (this.tab !== "trace" || !this.call) return;
      if (spans.length > 0) fill(this.place, waterfall(spans, this.call, this.on.onOpen));
      else fill(this.place, h("p", { class: "weak note" }, "No span of this trace has ended yet: spans are sent when they end."));
    } catch (error) {
      fill(this.place, h("p", { class: "error" }, error.message));
    }
  }
}

function button(label, image, title, run) {
  return h(
    "button",
    { class: label ? "button" : "button bare", type: "button", title, "aria-label": title.replace(/ \(.*\)$/, ""), onclick: run },
    icon(image),
    label && h("span", { class: "label" }, label),
  );
}

function nothing() {
  return h(
    "div",
    { class: "state" },
    h("h3", {}, "No content"),
    h(
      "p",
      { class: "weak" },
      "This span holds no messages. The application may have content capture off, or another instrumentation did not write any.",
    ),
  );
}
