// Numbers as they are read: short, with their unit, and a dash where a call does not say.

export const NONE = "\u2013";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const date = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short" });
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

const known = (value) => typeof value === "number" && Number.isFinite(value);
const orNone = (format) => (value) => (known(value) ? format(value) : NONE);

export const count = orNone((value) => whole.format(value));
export const compact = orNone((value) => (Math.abs(value) < 10_000 ? whole.format(value) : short.format(value)));
export const duration = orNone((ms) => {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_995) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
});
export const rate = orNone((value) => (value < 9.95 ? value.toFixed(1) : whole.format(value)));
export const money = orNone((usd) => `$${amount(usd)}`);

// Five decimals, so that a column of them is in line, and one more where those would say next to nothing.
function amount(usd) {
  if (usd === 0) return "0";
  if (Math.abs(usd) >= 100) return whole.format(usd);
  if (Math.abs(usd) >= 1) return usd.toFixed(2);
  return usd.toFixed(Math.abs(usd) < 0.0001 ? 6 : 5);
}

export function bytes(value) {
  if (!known(value)) return NONE;
  const step = value < 1024 ? 0 : Math.min(3, Math.floor(Math.log2(value) / 10));
  return `${(value / 1024 ** step).toFixed(step && value / 1024 ** step < 10 ? 1 : 0)} ${["B", "kB", "MB", "GB"][step]}`;
}

// The time of day for today, with the date for any other day.
export function time(ms, now = Date.now()) {
  if (!known(ms)) return NONE;
  const then = new Date(ms);
  const today = new Date(now).toDateString() === then.toDateString();
  return today ? clock.format(then) : `${date.format(then)} ${clock.format(then).slice(0, 5)}`;
}

export const fullTime = orNone((ms) => moment.format(new Date(ms)));

// An estimate bears a mark wherever it stands.
export const about = (text, isEstimate) => (isEstimate && text !== NONE ? `~${text}` : text);
