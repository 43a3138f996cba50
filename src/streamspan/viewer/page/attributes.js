// Everything that the span says, as it says it.

import { copyButton } from "./copying.js";
import { h } from "./dom.js";
import { duration } from "./format.js";
import { visible } from "./visible.js";

const GROUPS = [
  ["Streamspan", (name) => name.startsWith("streamspan.")],
  ["GenAI", (name) => /^(gen_ai|openai|aws\.bedrock|gcp)\./.test(name)],
  ["Others", () => true],
];
const LONG = 600;

export function attributes({ attributes: all, resource, events = [] }) {
  const tables = h("div", {});
  const found = groups(all);
  const search = h("input", {
    type: "search",
    class: "find",
    placeholder: "Find an attribute",
    "aria-label": "Find an attribute",
    oninput: (event) => narrow(tables, event.target.value),
  });
  tables.append(...found.map(([title, pairs]) => group(title, pairs)), group("Resource", Object.entries(resource ?? {}).sort()));
  if (events.length > 0) tables.append(happened(events));
  return h("section", { class: "part attributes" }, search, tables);
}

function groups(all) {
  const rest = new Map(Object.entries(all ?? {}).sort(([a], [b]) => a.localeCompare(b)));
  return GROUPS.map(([title, belongs]) => {
    const pairs = [...rest].filter(([name]) => belongs(name));
    for (const [name] of pairs) rest.delete(name);
    return [title, pairs];
  });
}

function group(title, pairs) {
  if (pairs.length === 0) return "";
  return h(
    "section",
    { class: "group" },
    h("h3", {}, title),
    h(
      "dl",
      { class: "pairs" },
      pairs.map(([name, value]) => pair(name, value)),
    ),
  );
}

function pair(name, value) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const shown = h("dd", { "data-kind": typeof value, "data-folded": text.length > LONG }, visible(text));
  if (text.length > LONG) shown.addEventListener("click", () => delete shown.dataset.folded);
  return h(
    "div",
    { class: "pair", "data-text": `${name} ${text}`.toLowerCase().slice(0, 2000) },
    h("dt", {}, visible(name)),
    shown,
    copyButton(() => text, `Copy ${name}`),
  );
}

function happened(events) {
  const rows = events.map((event) => pair(`${duration(event.at_ms)}  ${event.name}`, event.attributes));
  return h(
    "details",
    { class: "group folded" },
    h("summary", {}, `${events.length} ${events.length === 1 ? "event" : "events"}`),
    h("dl", { class: "pairs" }, rows),
  );
}

function narrow(tables, text) {
  const wanted = text.trim().toLowerCase();
  for (const row of tables.querySelectorAll(".pair")) row.hidden = !row.dataset.text.includes(wanted);
  for (const part of tables.querySelectorAll(".group"))
    part.hidden = ![...part.querySelectorAll(".pair")].some((row) => !row.hidden);
}
