// What stands in place of the table while there is nothing in it.

import { copy } from "./copying.js";
import { h } from "./dom.js";

export function empty() {
  const lines = [
    "pip install 'streamspan[openai,anthropic]'",
    `export OTEL_EXPORTER_OTLP_ENDPOINT=${location.origin}`,
    "opentelemetry-instrument python app.py",
  ];
  return [
    h("h2", {}, "Waiting for the first call"),
    h("p", {}, "Run your application in another terminal, with these three lines:"),
    h(
      "div",
      { class: "lines" },
      h("pre", { tabindex: "0" }, lines.join("\n")),
      h("button", { class: "button", type: "button", onclick: () => copy(lines.join("\n"), "Three lines") }, "Copy"),
    ),
    h(
      "p",
      { class: "weak" },
      "Its model calls appear here while they speak. No account at hand? ",
      h("code", {}, "streamspan demo"),
      " makes some calls without one.",
    ),
  ];
}

export function noneFound(onClear) {
  return [
    h("h2", {}, "No call matches"),
    h("p", { class: "weak" }, "Nothing that is stored fits all the filters."),
    h("button", { class: "button", type: "button", onclick: onClear }, "Clear filters"),
  ];
}

export function broken(message, onRetry) {
  return [
    h("h2", {}, "The calls cannot be shown"),
    h("p", {}, message),
    h("button", { class: "button", type: "button", onclick: onRetry }, "Try again"),
  ];
}

export const loading = () => [h("p", { class: "weak" }, "Loading")];
