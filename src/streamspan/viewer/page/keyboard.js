// Keys, and the words about them that `?` shows.

import { fill, h } from "./dom.js";

const FIELDS = "input, select, textarea, [contenteditable]";

// keys: [[key, ...], what it does, run][]
export function listen(keys) {
  const runs = new Map(keys.flatMap(([names, , run]) => names.map((name) => [name, run])));
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    const isTyping = event.target.closest?.(FIELDS);
    if (isTyping && event.key !== "Escape") return;
    if (isTyping) return void event.target.blur();
    const run = runs.get(event.key);
    if (run && run(event) !== false) event.preventDefault();
  });
}

const SIGNS = { ArrowDown: "\u2193", ArrowUp: "\u2191", Escape: "Esc" };

export function explain(place, keys) {
  fill(
    place,
    keys.map(([names, what]) =>
      h(
        "div",
        {},
        h(
          "dt",
          {},
          names.map((name) => h("kbd", {}, SIGNS[name] ?? name)),
        ),
        h("dd", {}, what),
      ),
    ),
  );
}
