// What the server is asked. Every answer is JSON; every failure is an Error with a message that can be shown.

export const path = (call) => `/calls/${call.trace_id}/${call.span_id}`;
export const key = (call) => `${call.trace_id}/${call.span_id}`;

const MEANING = {
  401: "This viewer wants a token: open the address that it printed.",
  403: "The viewer refuses this address: open the one that it printed.",
  404: "Not stored, or not any more.",
};

async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, { headers: { accept: "application/json" }, ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("streamspan view does not answer. Is it still running?");
  }
  if (answer.ok) return answer;
  throw Object.assign(new Error(MEANING[answer.status] ?? `The viewer answered ${answer.status}.`), { status: answer.status });
}

const json = async (address, options) => (await ask(address, options)).json();

export const calls = (query, offset, limit, signal) => json(`/api/calls?${parameters({ ...query, offset, limit })}`, { signal });
export const running = async () => (await json("/api/running")).calls;
export const detail = (call, signal) => json(`/api${path(call)}`, { signal });
export const trace = (traceId) => json(`/api/traces/${traceId}`);
export const totals = (since) => json(`/api/totals?${parameters({ since_ms: since })}`);
export const clear = () => ask("/api/calls", { method: "DELETE", headers: { "X-Streamspan": "1" } });
export const exported = async (call, format) => (await ask(`/api${path(call)}/export?format=${format}`)).text();

function parameters(query) {
  const said = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString();
}
