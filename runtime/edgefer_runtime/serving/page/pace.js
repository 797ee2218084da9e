// How large a frame to send, and how fast answers come.

const SIDES = [320, 480, 640, 960, 1280];
const FIRST = 2;
const ANSWERS = 8;
const SLOW_MS = 250;
const FAST_MS = 100;
const WINDOW_MS = 30000;
const RATE_MS = 3000;

// The side of the frames: smaller after slow answers, larger after quick ones. A step changes the pixels by
// less than SLOW_MS / FAST_MS, so that one that was taken up is not taken back for its own sake.
export class FrameSize {
  #step = FIRST;
  #trips = [];

  get side() {
    return SIDES[this.#step];
  }

  add(tripMs) {
    this.#trips.push(tripMs);
    if (this.#trips.length < ANSWERS) return;
    const typical = quantile(this.#trips, 0.5);
    this.#trips = [];
    if (typical > SLOW_MS) this.#step = Math.max(this.#step - 1, 0);
    if (typical < FAST_MS) this.#step = Math.min(this.#step + 1, SIDES.length - 1);
  }
}

// Times of the last half minute.
export class Meter {
  #answers = [];

  add(serverMs, tripMs) {
    const now = performance.now();
    this.#answers = this.#answers.filter(({ at }) => now - at < WINDOW_MS);
    this.#answers.push({ at: now, server: serverMs, trip: tripMs });
  }

  clear() {
    this.#answers = [];
  }

  // Of the `"server"` or the `"trip"`, in milliseconds; NaN before the first answer.
  quantile(time, share) {
    return quantile(this.#answers.map((answer) => answer[time]), share);
  }

  // Answers a second, of the last few; NaN until there are two.
  get rate() {
    const times = this.#answers.map(({ at }) => at).filter((at) => performance.now() - at < RATE_MS);
    return times.length < 2 ? NaN : (1000 * (times.length - 1)) / (times.at(-1) - times[0]);
  }
}

function quantile(values, share) {
  if (!values.length) return NaN;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
