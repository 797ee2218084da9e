// Asks about one frame after another: one request in flight, each with the newest frame, so that what is
// shown is never older than one answer takes.

const PATIENCE_S = [0.5, 1, 2, 4];

export class Watcher {
  #running = new AbortController();

  // `client` answers; `shoot` resolves to the next frame, encoded; `onAnswer(answer, shot)` and
  // `onRefusal(refusal)` are told what came of it.
  constructor(client, shoot, onAnswer, onRefusal) {
    Object.assign(this, { client, shoot, onAnswer, onRefusal });
  }

  stop() {
    this.#running.abort();
  }

  // Ask until stopped, or with `once` until there is one answer. What will pass is tried again; what will
  // not ends it.
  async start(model, { once = false } = {}) {
    this.stop();
    const { signal } = (this.#running = new AbortController());
    for (let failures = 0; !signal.aborted; ) {
      try {
        const shot = await this.shoot();
        if (signal.aborted) return;
        const answer = await this.client.faces(shot.content, model, signal);
        if (signal.aborted) return;
        failures = 0;
        this.onAnswer(answer, shot);
        if (once) return;
      } catch (refusal) {
        if (signal.aborted) return;
        this.onRefusal(refusal);
        if (!refusal.passes) return;
        await rest(refusal.retryAfterS ?? PATIENCE_S[Math.min(failures++, PATIENCE_S.length - 1)]);
      }
    }
  }
}

function rest(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
