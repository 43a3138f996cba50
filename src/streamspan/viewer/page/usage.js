// Tokens and money of a call, taken apart.

import { h } from "./dom.js";
import { about, count, money, NONE } from "./format.js";
import { line } from "./visible.js";

const PARTS = ["fresh", "cached", "written", "spoken", "reasoning"];

export function usage({ summary, attributes }) {
  const written =
    attributes["gen_ai.usage.cache_write.input_tokens"] ?? attributes["gen_ai.usage.cache_creation.input_tokens"] ?? 0;
  const cached = summary.cached_tokens ?? 0;
  const reasoning = summary.reasoning_tokens ?? 0;
  const split = {
    fresh: Math.max(0, (summary.input_tokens ?? 0) - cached - written),
    cached,
    written,
    spoken: Math.max(0, (summary.output_tokens ?? 0) - reasoning),
    reasoning,
  };
  const estimated = summary.estimated ?? [];
  const cost = (name) => attributes[`streamspan.cost.${name}`];
  return h(
    "section",
    { class: "part usage" },
    h("h3", {}, "Usage and cost"),
    bar(split),
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, ""),
          h("th", { scope: "col", class: "figure" }, "Tokens"),
          h("th", { scope: "col", class: "figure" }, "Cost"),
        ),
      ),
      h(
        "tbody",
        {},
        row("Input", about(count(summary.input_tokens), estimated.includes("input_tokens")), money(cost("input"))),
        (cached > 0 || written > 0) && row("not from a cache", count(split.fresh), "", "fresh"),
        cached > 0 && row("read from the cache", count(cached), "", "cached"),
        written > 0 && row("written to the cache", count(written), "", "written"),
        row("Output", about(count(summary.output_tokens), estimated.includes("output_tokens")), money(cost("output"))),
        reasoning > 0 && row("answer", count(split.spoken), "", "spoken"),
        reasoning > 0 && row("reasoning", count(reasoning), "", "reasoning"),
        row("Total", sum(summary), summary.unpriced ? "no price" : about(money(summary.cost), estimated.length > 0), "", "sum"),
      ),
    ),
    notes(summary, attributes, estimated),
  );
}

function sum({ input_tokens: input, output_tokens: output }) {
  return input === null && output === null ? NONE : count((input ?? 0) + (output ?? 0));
}

function bar(split) {
  const whole = PARTS.reduce((all, name) => all + split[name], 0);
  if (!whole) return null;
  const node = h("div", { class: "split-bar", "aria-hidden": "true" });
  for (const name of PARTS.filter((part) => split[part] > 0)) {
    const piece = h("i", { "data-part": name });
    piece.style.flexGrow = String(split[name] / whole);
    node.append(piece);
  }
  return node;
}

function row(name, tokens, cost, part = "", kind = part ? "of" : "") {
  return h(
    "tr",
    { class: kind || undefined },
    h("th", { scope: "row" }, part && h("i", { class: "swatch", "data-part": part }), name),
    h("td", { class: "figure" }, tokens),
    h("td", { class: "figure" }, cost),
  );
}

function notes(summary, attributes, estimated) {
  const source = attributes["streamspan.cost.source"];
  const said = [
    estimated.length > 0 &&
      `~ is our estimate: the provider reported no ${estimated.map((name) => name.replace("_", " ")).join(" and no ")}.`,
    summary.unpriced && "No price is known for this model.",
    source && `Price from ${line(source)}.`,
    attributes["streamspan.usage.omitted"] === "counted" && "The usage is on another span, which has it already.",
  ].filter(Boolean);
  return said.length > 0 && h("p", { class: "weak note" }, said.join(" "));
}
