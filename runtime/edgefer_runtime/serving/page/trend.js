// The last 30 s of one face: its probabilities as bands that fill the height, in the order of its bars.

import { colourOf } from "./colours.js";
import { cleared, percent } from "./drawing.js";

const SPAN_S = 30;

export function drawTrend(canvas, track, now) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const context = cleared(canvas, width, height);
  const ground = getComputedStyle(canvas).backgroundColor;
  const at = (time) => width * (1 - (now - time) / SPAN_S);
  for (const piece of pieces(track.history)) {
    const sums = piece.map(() => 0);
    track.probabilities.forEach(([name], place) => {
      const floor = [...sums];
      piece.forEach(({ shares }, index) => (sums[index] += shares[place]));
      context.beginPath();
      piece.forEach((sample, index) => context.lineTo(at(sample.at), height * (1 - sums[index])));
      for (let index = piece.length - 1; index >= 0; index--)
        context.lineTo(at(piece[index].at), height * (1 - floor[index]));
      context.fillStyle = colourOf(name, place);
      context.fill();
      context.strokeStyle = ground;
      context.lineWidth = 0.75;
      context.stroke();
    });
  }
}

// The same in words.
export function tellTrend({ probabilities, history }) {
  const means = probabilities.map(([name], place) => [
    name,
    history.reduce((sum, { shares }) => sum + shares[place], 0) / history.length,
  ]);
  const told = means.sort((a, b) => b[1] - a[1]).slice(0, 3);
  return `Last 30 seconds, on average: ${told.map(([name, share]) => `${name} ${percent(share)}`).join(", ")}`;
}

// A history cut where the face was away, so that no band bridges the gap.
function pieces(history) {
  const cut = [[]];
  history.forEach((sample, index) => {
    if (index && sample.missed) cut.push([]);
    cut.at(-1).push(sample);
  });
  return cut;
}
