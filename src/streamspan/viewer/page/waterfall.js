// The trace of a call: every span in its place under its parent, as wide as it was long.

import { path } from "./api.js";
import { h } from "./dom.js";
import { duration } from "./format.js";
import { line } from "./visible.js";

export function waterfall(spans, selected, onOpen) {
  const begin = Math.min(...spans.map((span) => span.started_ms));
  const end = Math.max(...spans.map((span) => span.started_ms + (span.duration_ms ?? 0)));
  const length = Math.max(end - begin, 1);
  const rows = ordered(spans).map(([span, depth]) => row(span, depth, { begin, length, selected, onOpen }));
  return h(
    "section",
    { class: "part waterfall" },
    h(
      "h3",
      {},
      spans.length === 1 ? "1 span" : `${spans.length} spans`,
      h("span", { class: "weak" }, ` ${duration(end - begin)}`),
    ),
    h(
      "div",
      { class: "scale", "aria-hidden": "true" },
      h("span", {}, "0"),
      h("span", {}, duration(length / 2)),
      h("span", {}, duration(length)),
    ),
    h("ol", { class: "spans" }, rows),
  );
}

// Depth first, by start. A span whose parent is not here stands at the top; one that is its own ancestor, too.
function ordered(spans) {
  const ids = new Set(spans.map((span) => span.span_id));
  const below = Map.groupBy(
    [...spans].sort((a, b) => a.started_ms - b.started_ms),
    (span) => (ids.has(span.parent_id) ? span.parent_id : ""),
  );
  const found = [];
  const seen = new Set();
  const visit = (span, depth) => {
    if (seen.has(span.span_id)) return;
    seen.add(span.span_id);
    found.push([span, depth]);
    for (const child of below.get(span.span_id) ?? []) visit(child, depth + 1);
  };
  for (const span of below.get("") ?? []) visit(span, 0);
  for (const span of spans) visit(span, 0);
  return found;
}

function row(span, depth, { begin, length, selected, onOpen }) {
  const name = line(span.name);
  const bar = h("i", { class: "span-bar", "data-failed": span.failed, "data-call": span.is_call });
  bar.style.left = `${(100 * (span.started_ms - begin)) / length}%`;
  bar.style.width = `${(100 * (span.duration_ms ?? 0)) / length}%`;
  const title = span.is_call
    ? h(
        "a",
        {
          href: path({ trace_id: selected.trace_id, span_id: span.span_id }),
          onclick: (event) => follow(event, () => onOpen({ trace_id: selected.trace_id, span_id: span.span_id })),
        },
        name,
      )
    : h("span", {}, name);
  const label = h(
    "span",
    { class: "span-name", title: `${name} \u00b7 ${line(span.service)}` },
    title,
    span.failed && h("span", { class: "wrong" }, " failed"),
  );
  label.style.paddingLeft = `${Math.min(depth, 12) * 14}px`;
  const isHere = span.span_id === selected.span_id;
  return h(
    "li",
    { "data-selected": isHere, "aria-current": isHere ? "true" : undefined },
    label,
    h("span", { class: "track" }, bar),
    h("span", { class: "span-time" }, duration(span.duration_ms)),
  );
}

function follow(event, open) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open();
}
