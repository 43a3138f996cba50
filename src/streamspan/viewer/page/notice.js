// What the page has to say itself: a bar while something is wrong, a word that goes by, and the same for those who listen.

import { byId, fill, h, say } from "./dom.js";

const TOAST_MS = 2_200;
const SPOKEN_MS = 400;
let going;
let speaking;

export function toast(text) {
  const place = byId("toast");
  say(place, text);
  place.hidden = false;
  clearTimeout(going);
  going = setTimeout(() => (place.hidden = true), TOAST_MS);
  announce(text);
}

// Only the last of several in a row is read out.
export function announce(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => say(byId("spoken"), text), SPOKEN_MS);
}

export function notice(text, action) {
  const place = byId("notice");
  place.hidden = !text;
  if (text)
    fill(
      place,
      h("span", {}, text),
      action && h("button", { class: "button", type: "button", onclick: action.run }, action.name),
    );
}
