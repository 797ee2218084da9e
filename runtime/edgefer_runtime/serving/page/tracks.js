// The same face from answer to answer (the server sees single pictures), and what it showed over time.

const MEMORY_S = 30;
const SMOOTHING_S = 0.3;
const FIRST_S = 1 / 30;
const FORGET_S = 1;
const REACH = 0.8;

export class Tracks {
  #tracks = [];

  // Takes the faces of a message and gives them a track each: { number, box, label, share, probabilities,
  // history }. `probabilities` is [[class, share], ...], smoothed as FaceAnalyzer does it, `history`
  // [{ at, shares, missed }, ...] over the last 30 s, `missed` where it was away before. Times are in seconds.
  update(faces, now) {
    const matches = this.#match(faces);
    for (const track of this.#tracks) track.missed++;
    const seen = faces.map((face) => {
      const track = matches.get(face) ?? this.#begin(now);
      believe(track, face, now);
      return track;
    });
    // A slow server's answers may be further apart than FORGET_S.
    this.#tracks = this.#tracks.filter(({ missed, seen }) => missed < 2 || now - seen < FORGET_S);
    return seen;
  }

  clear() {
    this.#tracks = [];
  }

  // Face -> track, the nearest first.
  #match(faces) {
    const pairs = faces.flatMap((face) =>
      this.#tracks.map((track) => ({ face, track, away: distance(track.box, face.box) })),
    );
    const matches = new Map();
    const taken = new Set();
    for (const { face, track, away } of pairs.sort((a, b) => a.away - b.away)) {
      if (away > REACH || matches.has(face) || taken.has(track)) continue;
      matches.set(face, track);
      taken.add(track);
    }
    return matches;
  }

  // With the least number that nobody has, so that numbers stay small.
  #begin(now) {
    const numbers = new Set(this.#tracks.map(({ number }) => number));
    let number = 1;
    while (numbers.has(number)) number++;
    const track = { number, seen: now, missed: 0, sums: [], weight: 0, history: [] };
    this.#tracks.push(track);
    return track;
  }
}

// An exponential average whose weights are times, so that the rate of answers does not matter.
function believe(track, face, now) {
  const span = track.history.length ? now - track.seen : FIRST_S;
  const kept = Math.exp(-span / SMOOTHING_S);
  const added = 1 - kept;
  const classes = Object.keys(face.probabilities);
  track.sums = classes.map((name, index) => kept * (track.sums[index] ?? 0) + added * face.probabilities[name]);
  track.weight = kept * track.weight + added;
  const smooth = track.sums.map((sum) => sum / track.weight);
  track.probabilities = classes.map((name, index) => [name, smooth[index]]);
  [track.label, track.share] = track.probabilities.reduce((best, each) => (each[1] > best[1] ? each : best));
  track.history = track.history.filter(({ at }) => now - at < MEMORY_S + 1);
  track.history.push({ at: now, shares: smooth, missed: track.missed > 1 });
  track.missed = 0;
  track.box = face.box;
  track.seen = now;
}

// Between the middles, in sides of the larger box: a face may move far between two answers of a slow server.
function distance(a, b) {
  const across = (a.left + a.right - b.left - b.right) / 2;
  const down = (a.top + a.bottom - b.top - b.bottom) / 2;
  return Math.hypot(across, down) / Math.max(a.right - a.left, b.right - b.left);
}
