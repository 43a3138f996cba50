// The line to the server: what happens while it happens. After every break it is opened again, and whoever listens asks anew for all.

const HIDDEN_FOR_MS = 30_000; // a browser has six connections to one host: a tab that nobody sees gives its own back
const RETRY_MS = 2_000;

export class Stream {
  #source;
  #hiding;
  #retry;

  constructor(on) {
    this.on = on; // { open, lost, running, ended, cleared }
    document.addEventListener("visibilitychange", () => this.#seen());
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", (event) => event.persisted && this.open());
  }

  open() {
    this.#close();
    const source = (this.#source = new EventSource("/api/stream"));
    source.onopen = () => this.on.open();
    source.onerror = () => this.#lost(source);
    for (const name of ["running", "ended", "cleared"]) {
      source.addEventListener(name, (event) => this.on[name](event.data ? JSON.parse(event.data) : null));
    }
  }

  #lost(source) {
    this.on.lost();
    if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.open(), RETRY_MS);
  }

  #close() {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = undefined;
  }

  #seen() {
    clearTimeout(this.#hiding);
    if (document.hidden) this.#hiding = setTimeout(() => this.#close(), HIDDEN_FOR_MS);
    else if (!this.#source) this.open();
  }
}
