// Light and dark: what the system says, until somebody says otherwise.

const KEY = "streamspan.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export function theme() {
  return document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");
}

export function switchTheme() {
  const next = theme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // It holds until the page is loaded again.
  }
  told();
  return next;
}

// What is drawn on a canvas knows no CSS and is drawn again.
const told = () => document.dispatchEvent(new Event("appearance"));
system.addEventListener("change", told);

// The colour that a custom property has in the theme of now, in a form that a canvas takes.
export function colour(property) {
  const probe = document.createElement("i");
  probe.hidden = true;
  probe.style.color = `var(${property})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
