// The server, as the page asks it.

const TIMEOUT_MS = 20000;
const TOKEN = "edgefer.token";

// A request that was not answered with what was asked. `status` is HTTP's, 0 where no answer came at all;
// `retryAfterS` is what a busy server asks for, else null.
export class Refusal extends Error {
  constructor(status, message, retryAfterS = null) {
    super(message);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }

  // Whether the same request may well be answered in a moment.
  get passes() {
    return [0, 408, 429, 502, 503, 504].includes(this.status);
  }
}

export class Client {
  // Kept for this tab, so that a reload does not ask again.
  set token(text) {
    sessionStorage.setItem(TOKEN, text);
  }

  // All models that the server has, as it describes them.
  async models() {
    return (await (await this.#ask("v1/models", {})).json()).models;
  }

  // The faces in a picture, a blob: a message of edgefer.faces/1, and how long it took to come.
  async faces(picture, model, signal) {
    const query = new URLSearchParams({ model: model.name, version: model.version });
    const begun = performance.now();
    const response = await this.#ask(`v1/faces?${query}`, { method: "POST", body: picture, signal });
    const message = await response.json();
    return { message, tripMs: performance.now() - begun };
  }

  async #ask(path, { signal, ...request }) {
    const token = sessionStorage.getItem(TOKEN);
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const until = signal ? AbortSignal.any([signal, timeout]) : timeout;
    let response;
    try {
      response = await fetch(path, { ...request, headers, signal: until, cache: "no-store" });
    } catch (error) {
      throw new Refusal(0, String(error));
    }
    if (response.ok) return response;
    const told = await response.json().catch(() => ({}));
    const after = Number.parseFloat(response.headers.get("Retry-After"));
    throw new Refusal(response.status, told.error ?? response.statusText, Number.isNaN(after) ? null : after);
  }
}
