// Loaded before the page is painted, so that no light page flashes up in the dark. Everything else about themes is in appearance.js.
try {
  const kept = localStorage.getItem("streamspan.theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
} catch {
  // Storage is closed to the page: the system's theme it is.
}
