// Boxes, labels and, where there is room beside a face, its bars, over the picture.

import { colourOverPicture } from "./colours.js";
import { cleared, FONT, percent } from "./drawing.js";

const INK = "#121216";
const SHADE = "rgb(18 18 22 / 78%)";
const TROUGH = "rgb(255 255 255 / 16%)";
const PLAIN = "#eceef2";
const BAR = 56;
const GAP = 6;
const NARROW = 480;

// `placing` is Stage.placing's; text is never mirrored.
export function drawOverlay(canvas, tracks, placing) {
  const [width, height] = placing.size;
  const context = cleared(canvas, width, height);
  const size = width < NARROW ? 11 : 13;
  const boxes = tracks.map(({ box }) => placed(box, placing));
  tracks.forEach((track, index) => drawBox(context, boxes[index], colourOf(track)));
  const taken = [...boxes];
  tracks.forEach((track, index) => taken.push(drawTag(context, track, boxes[index], taken, placing.size, size)));
  const largestFirst = [...tracks.keys()].sort((a, b) => boxes[b].width - boxes[a].width);
  for (const index of largestFirst) {
    const panel = panelPlace(context, tracks[index], boxes[index], taken, width, height, size);
    if (!panel) continue;
    drawPanel(context, tracks[index], panel, size);
    taken.push(panel);
  }
}

function colourOf({ label, probabilities }) {
  return colourOverPicture(label, probabilities.findIndex(([name]) => name === label));
}

function placed(box, placing) {
  const [left, right] = [placing.x(box.left), placing.x(box.right)].sort((a, b) => a - b);
  const top = placing.y(box.top);
  return { left, top, width: right - left, height: placing.y(box.bottom) - top };
}

function drawBox(context, box, colour) {
  for (const [line, stroke] of [
    [4.5, INK],
    [2.5, colour],
  ]) {
    context.beginPath();
    context.roundRect(box.left, box.top, box.width, box.height, 8);
    Object.assign(context, { lineWidth: line, strokeStyle: stroke });
    context.stroke();
  }
}

// Above the box, else below it, where it covers nothing.
function drawTag(context, track, box, taken, [within, below], size) {
  const text = `${track.number}  ${track.label}${within < NARROW ? "" : ` ${percent(track.share)}`}`;
  context.font = `600 ${size}px ${FONT}`;
  const width = context.measureText(text).width + 1.6 * size;
  const height = 1.8 * size;
  const left = Math.max(0, Math.min(box.left, within - width));
  const places = [box.top - height - 4, box.top + box.height + 4].map((top) => ({ left, top, width, height }));
  const free = places.find(
    (place) => place.top >= 0 && place.top + height <= below && !taken.some((area) => meet(area, place)),
  );
  const tag = free ?? { ...places[0], top: Math.max(0, places[0].top) };
  context.fillStyle = INK;
  context.beginPath();
  context.roundRect(tag.left, tag.top, width, height, height / 2);
  context.fill();
  context.fillStyle = colourOf(track);
  Object.assign(context, { textBaseline: "middle", textAlign: "left" });
  context.fillText(text, tag.left + 0.8 * size, tag.top + height / 2 + 0.5);
  return tag;
}

// To the right of the box, else to its left; nowhere where it would leave the picture or cover a face.
function panelPlace(context, { probabilities }, box, taken, within, below, size) {
  context.font = `${size - 1}px ${FONT}`;
  const names = Math.max(...probabilities.map(([name]) => context.measureText(name).width));
  const width = names + BAR + 4 * GAP;
  const height = probabilities.length * 1.4 * size + 2 * GAP;
  const top = Math.max(GAP, Math.min(box.top, below - height - GAP));
  const places = [box.left + box.width + GAP, box.left - width - GAP];
  const left = places.find(
    (left) => left >= 0 && left + width <= within && !taken.some((area) => meet(area, { left, top, width, height })),
  );
  return left === undefined || height > below ? null : { left, top, width, height, names };
}

function meet(a, b) {
  return (
    a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height && b.top < a.top + a.height
  );
}

function drawPanel(context, { probabilities, label }, panel, size) {
  context.fillStyle = SHADE;
  context.beginPath();
  context.roundRect(panel.left, panel.top, panel.width, panel.height, 8);
  context.fill();
  const row = 1.4 * size;
  probabilities.forEach(([name, share], place) => {
    const middle = panel.top + GAP + (place + 0.5) * row;
    const left = panel.left + 2 * GAP + panel.names + GAP;
    context.font = `${name === label ? 600 : 400} ${size - 1}px ${FONT}`;
    context.fillStyle = PLAIN;
    Object.assign(context, { textBaseline: "middle", textAlign: "right" });
    context.fillText(name, left - GAP, middle + 0.5);
    context.fillStyle = TROUGH;
    context.fillRect(left, middle - 0.25 * size, BAR, 0.5 * size);
    context.fillStyle = colourOverPicture(name, place);
    context.fillRect(left, middle - 0.25 * size, BAR * share, 0.5 * size);
  });
}
