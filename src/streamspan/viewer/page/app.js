// The page: what is in the address decides what is seen, what the server sends is passed to who shows it.

import * as address from "./address.js";
import * as api from "./api.js";
import { switchTheme } from "./appearance.js";
import { Detail, TABS } from "./detail.js";
import { byId, fill, icon, say } from "./dom.js";
import { Filters } from "./filters.js";
import { compact } from "./format.js";
import { explain, listen } from "./keyboard.js";
import { announce, notice } from "./notice.js";
import { Running } from "./running.js";
import * as states from "./states.js";
import { Stream } from "./stream.js";
import { Table } from "./table.js";
import { Totals } from "./totals.js";

const SETTLE_MS = 350; // what ends within this time comes into the table at once
const BREATHS = 4; // and this many times as long as the last look took, so that a busy server is not asked all the time

const state = address.read();
let isPaused = false;
let unseen = 0;
let settling;
let wasLost = false;
let lookTook = 0;

const list = byId("list");
const filters = new Filters(byId("filters"), { filters: state.filters, onChange: (said) => narrow(said) });
const table = new Table(byId("table"), list, {
  onOpen: (call) => open(call),
  onSort: (sort) => look(sort),
  onLoaded: (found) => loaded(found),
  onError: (error) => failed(error),
});
const running = new Running(byId("running"), { onOpen: (call) => open(call), onChange: (number) => counted(number) });
const detail = new Detail(byId("panel"), {
  onClose: () => close(),
  onOpen: (call) => open(call),
  onTab: (tab) => turnTo(tab),
  onFilter: (name, value) => narrow({ ...state.filters, [name]: value }, { isShown: false }),
  live: (call) => running.find(call),
});
const totals = new Totals(byId("totals-view"), { onModel: (model) => showModel(model) });

// --- what is seen ---------------------------------------------------------------------------------------------------

function narrow(said, { isShown = true } = {}) {
  state.filters = said;
  if (!isShown) filters.show(said);
  table.toTop();
  refresh();
}

function look(sort) {
  Object.assign(state, sort);
  refresh();
}

async function refresh() {
  clearTimeout(settling);
  settling = undefined;
  address.write(state);
  fresh(0);
  const began = performance.now();
  await table.ask(address.query(state), { sort: state.sort, order: state.order });
  lookTook = performance.now() - began;
}

function open(call) {
  const isNew = !state.selected || api.key(state.selected) !== api.key(call);
  state.selected = { trace_id: call.trace_id, span_id: call.span_id };
  state.view = "calls";
  if (isNew) address.write(state, { step: true });
  show();
  if (!list.checkVisibility()) byId("panel").focus(); // on a phone the table, and the focus in it, is gone
}

function close() {
  const call = state.selected;
  state.selected = null;
  address.write(state, { step: true });
  show();
  if (call) table.focus(call);
}

function turnTo(tab) {
  state.tab = tab;
  address.write(state);
  detail.pick(tab);
}

function view(name) {
  state.view = name;
  if (name === "totals") state.selected = null;
  address.write(state, { step: true });
  show();
}

function showModel(model) {
  state.view = "calls";
  state.filters = { model };
  filters.show(state.filters);
  address.write(state, { step: true });
  show();
  refresh();
}

function show() {
  const isTotals = state.view === "totals";
  byId("calls-view").hidden = isTotals;
  for (const link of document.querySelectorAll("[data-view]"))
    link.toggleAttribute("aria-current", link.dataset.view === state.view);
  if (isTotals) totals.show();
  else totals.hide();
  document.body.toggleAttribute("data-open", state.selected !== null);
  if (state.selected) table.select(state.selected); // which stays marked when the panel is closed
  running.select(state.selected);
  if (!state.selected) detail.close();
  else if (!detail.is(state.selected)) detail.show(state.selected, state.tab);
}

function goTo(step) {
  const call = table.beside(step);
  if (!call) return false;
  if (detail.isOpen) open(call);
  else {
    table.select(call);
    table.focus(call);
  }
  return true;
}

// --- what comes -----------------------------------------------------------------------------------------------------

function loaded({ total, facets }) {
  performance.mark("calls"); // a profile of the page says when they were there
  say(byId("total"), compact(total));
  filters.facets(facets ?? {});
  const isNarrowed = Object.keys(state.filters).length > 0;
  byId("finished").toggleAttribute("data-empty", total === 0 && !isNarrowed);
  place(total > 0 ? null : isNarrowed ? states.noneFound(() => filters.clear()) : states.empty());
  if (isNarrowed) announce(total === 1 ? "1 call matches" : `${total} calls match`);
}

function failed(error) {
  place(states.broken(error.message, () => refresh()));
}

function place(content) {
  const shown = byId("list-state");
  shown.hidden = content === null;
  byId("table").hidden = content !== null;
  fill(shown, content ?? "");
}

function fresh(number) {
  unseen = number;
  const button = byId("fresh");
  button.hidden = number === 0 || isPaused;
  fill(button, icon("up"), `${compact(number)} new ${number === 1 ? "call" : "calls"}`);
  showPause();
}

function settle(summary) {
  table.fresh.add(api.key(summary));
  if (isPaused || !table.isAtTop || state.sort !== "started" || state.order !== "desc") return fresh(unseen + 1);
  settling ??= setTimeout(() => refresh(), Math.max(SETTLE_MS, BREATHS * lookTook));
}

const stream = new Stream({
  open: () => {
    line("live", "Live");
    notice("");
    if (wasLost) announce("Connected again");
    wasLost = false;
    running.lose(false);
    detail.isLost = false;
    catchUp();
  },
  lost: () => {
    line("lost", "Disconnected");
    notice("streamspan view does not answer. What is here stays; trying again.");
    if (!wasLost) announce("Disconnected");
    if (!table.query) refresh(); // which says what is wrong
    wasLost = true;
    running.lose(true);
    detail.isLost = true;
  },
  running: ({ summary, text }) => {
    running.update(summary, text);
    if (!isPaused && detail.is(summary)) detail.update(summary, text);
  },
  ended: (summary) => {
    running.end(summary);
    settle(summary);
    totals.changed();
    if (detail.is(summary)) detail.ended();
  },
  cleared: () => {
    running.clear();
    catchUp();
    totals.changed();
  },
});

// After each break: what runs, and what is stored, anew.
async function catchUp() {
  try {
    const found = await api.running();
    running.replace(found);
    if (!isPaused) await refresh();
    if (detail.isOpen) detail.ended();
  } catch (error) {
    notice(error.message);
  }
}

function counted(number) {
  document.title = number ? `(${number}) streamspan` : "streamspan";
}

function line(word, text) {
  byId("line").dataset.state = isPaused && word === "live" ? "paused" : word;
  say(byId("line-word"), isPaused && word === "live" ? "Paused" : text);
}

// --- buttons and keys -----------------------------------------------------------------------------------------------

function pause() {
  isPaused = !isPaused;
  running.pause(isPaused);
  line(wasLost ? "lost" : "live", wasLost ? "Disconnected" : "Live");
  announce(isPaused ? "Paused" : "Live again");
  if (isPaused) showPause();
  else catchUp();
}

function showPause() {
  const button = byId("pause");
  button.setAttribute("aria-pressed", String(isPaused));
  button.title = isPaused ? "Go on (p)" : "Pause (p)";
  fill(button.querySelector(".glyph"), icon(isPaused ? "play" : "pause"));
  say(button.querySelector(".label"), isPaused ? (unseen ? `Resume \u00b7 ${compact(unseen)} new` : "Resume") : "Pause");
}

function newest() {
  table.toTop();
  if (state.sort === "started" && state.order === "desc") refresh();
  else look({ sort: "started", order: "desc" });
}

const KEYS = [
  [["/"], "Search", () => filters.focus()],
  [["j", "ArrowDown"], "The next call", (event) => inList(event) && goTo(1)],
  [["k", "ArrowUp"], "The call before", (event) => inList(event) && goTo(-1)],
  [
    ["Enter"],
    "Open the selected call",
    (event) => !event.target.closest("a, button, summary") && table.selected !== null && openSelected(),
  ],
  [["Escape"], "Close the call", () => (state.selected ? close() : false)],
  [
    ["1", "2", "3", "4"],
    "Conversation, usage and timing, trace, attributes",
    (event) => detail.isOpen && turnTo(TABS[Number(event.key) - 1][0]),
  ],
  [["c"], "Copy the call as Markdown", () => detail.copy("markdown")],
  [["C"], "Copy the call as JSON", () => detail.copy("json")],
  [["l"], "Copy a link to the call", () => detail.copyLink()],
  [["m"], "Texts with Markdown, or as they are", () => detail.isOpen && detail.switchPlain()],
  [["x"], "Remove all filters", () => filters.clear()],
  [["p"], "Pause, and go on", () => pause()],
  [["g"], "Calls, or totals", () => view(state.view === "totals" ? "calls" : "totals")],
  [["t"], "Light, or dark", () => switchTheme()],
  [["?"], "This list", () => byId("help").showModal()],
];

// The arrows belong to whatever is scrolled; they go through the calls where the focus is among them, or nowhere.
function inList(event) {
  return !event.key.startsWith("Arrow") || event.target === document.body || list.contains(event.target);
}

function openSelected() {
  const [trace, span] = table.selected.split("/");
  open({ trace_id: trace, span_id: span });
}

listen(KEYS);
explain(byId("help-keys"), KEYS);
byId("pause").addEventListener("click", () => pause());
byId("theme").addEventListener("click", () => switchTheme());
byId("help-button").addEventListener("click", () => byId("help").showModal());
byId("help").addEventListener("click", (event) => event.target === byId("help") && byId("help").close());
byId("fresh").addEventListener("click", () => newest());
for (const link of document.querySelectorAll("[data-view], #home")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (link.id === "home") state.selected = null;
    view(link.dataset.view ?? "calls");
  });
}
addEventListener("popstate", () => {
  Object.assign(state, address.read());
  filters.show(state.filters);
  show();
  if (state.selected && detail.tab !== state.tab) detail.pick(state.tab);
  refresh();
});

showPause();
place(states.loading());
show();
stream.open();
