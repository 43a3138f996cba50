// To the clipboard, also where the browser keeps its own from pages that are not on this machine.

import { h, icon } from "./dom.js";
import { toast } from "./notice.js";

export async function copy(text, what) {
  try {
    await (navigator.clipboard ? navigator.clipboard.writeText(text) : byHand(text));
    toast(`${what} copied`);
  } catch {
    toast(`${what} could not be copied: the browser does not allow it`);
  }
}

export function copyButton(text, label) {
  return h(
    "button",
    { class: "button bare copy", type: "button", "aria-label": label, title: label, onclick: () => copy(text(), "Text") },
    icon("copy"),
  );
}

function byHand(text) {
  const area = h("textarea", { class: "unseen", "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  if (!isDone) throw new Error("refused");
}
