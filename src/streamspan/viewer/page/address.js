// What is seen is in the address: a link shows somebody else the same.

export const FILTERS = [
  "q",
  "model",
  "outcome",
  "user",
  "session",
  "tag",
  "service",
  "project",
  "min_cost",
  "max_cost",
  "within",
];
const REST = { sort: "started", order: "desc", view: "calls", tab: "conversation" };
const CALL = /^\/calls\/([0-9a-f]+)\/([0-9a-f]+)\/?$/i;

export function read() {
  const said = new URLSearchParams(location.search);
  const filters = Object.fromEntries(FILTERS.filter((name) => said.get(name)).map((name) => [name, said.get(name)]));
  const rest = Object.fromEntries(Object.entries(REST).map(([name, usual]) => [name, said.get(name) || usual]));
  const call = CALL.exec(location.pathname);
  return { filters, ...rest, selected: call && { trace_id: call[1], span_id: call[2] } };
}

export function address(state) {
  const said = new URLSearchParams(FILTERS.filter((name) => state.filters[name]).map((name) => [name, state.filters[name]]));
  for (const [name, usual] of Object.entries(REST)) {
    if (state[name] !== usual && (name !== "tab" || state.selected)) said.set(name, state[name]);
  }
  const query = said.size ? `?${said}` : "";
  return `${state.selected ? `/calls/${state.selected.trace_id}/${state.selected.span_id}` : "/"}${query}`;
}

// A step that the back button undoes, or one that it passes over.
export function write(state, { step = false } = {}) {
  const next = address(state);
  if (next === location.pathname + location.search) return;
  history[step ? "pushState" : "replaceState"](null, "", next);
}

const SPANS = { "15m": 900_000, "1h": 3_600_000, "24h": 86_400_000, "7d": 604_800_000 };

// The filters as the server knows them.
export function query({ filters, sort, order }) {
  const { within, ...rest } = filters;
  return { ...rest, since_ms: SPANS[within] && Date.now() - SPANS[within], sort, order };
}
