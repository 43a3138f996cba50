// How a call stands or ended: a word and a shape, so that nobody needs to tell colours apart.

import { h } from "./dom.js";

export const OUTCOMES = ["completed", "truncated", "aborted", "abandoned", "cancelled", "failed", "lost", "ended"];

const MEANING = {
  running: "The answer is coming.",
  stalled: "Nothing has come for a while.",
  waiting: "Nothing has come yet.",
  completed: "The provider's last event was seen.",
  truncated: "The server ended the stream without its last event.",
  aborted: "The application closed the stream.",
  abandoned: "The stream was dropped without being closed.",
  cancelled: "The task was cancelled, or a timeout struck.",
  failed: "An exception, or an error that came in the stream.",
  lost: "It was running, and nothing was heard of it again.",
  ended: "It did not fail; its span does not say more.",
};

export function badge(outcome) {
  const known = Object.hasOwn(MEANING, outcome);
  return h(
    "span",
    { class: "outcome", "data-outcome": known ? outcome : "ended", title: MEANING[outcome] },
    h("i", { class: "mark", "aria-hidden": "true" }),
    h("span", { class: "word" }, String(outcome ?? "ended")),
  );
}

export function mark(outcome) {
  return h("i", { class: "mark", "data-outcome": Object.hasOwn(MEANING, outcome) ? outcome : "ended", "aria-hidden": "true" });
}
