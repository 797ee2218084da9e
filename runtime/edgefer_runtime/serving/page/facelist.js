// The faces as text and bars, and what a screen reader is told of them.

import { coloursOf } from "./colours.js";
import { percent } from "./drawing.js";
import { drawTrend, tellTrend } from "./trend.js";

const SHOWN = 3;
const SETTLED_S = 1.5;
const APART_S = 5;

export class FaceList {
  #list = document.getElementById("faces");
  #none = document.getElementById("none");
  #more = document.getElementById("more");
  #cards = new Map();

  // `trends` where time goes on, as it does with a camera.
  show(tracks, now, { trends }) {
    const largest = [...tracks].sort((a, b) => width(b) - width(a)).slice(0, SHOWN);
    const shown = largest.sort((a, b) => a.number - b.number);
    const kept = new Set(shown.map(({ number }) => number));
    for (const [number, card] of this.#cards)
      if (!kept.has(number)) {
        card.element.remove();
        this.#cards.delete(number);
      }
    for (const track of shown) {
      const card = this.#cards.get(track.number) ?? this.#begin(track);
      card.update(track, now, trends);
    }
    const others = tracks.filter(({ number }) => !kept.has(number));
    this.#more.textContent = others.length ? `And ${others.map(inWords).join(", ")}.` : "";
    this.#none.textContent = tracks.length ? "" : "No face in the picture.";
  }

  clear() {
    this.#list.replaceChildren();
    this.#cards.clear();
    this.#more.textContent = "";
    this.#none.textContent = "None yet.";
  }

  #begin(track) {
    const card = new Card(track);
    this.#cards.set(track.number, card);
    const later = [...this.#cards].filter(([number]) => number > track.number).map(([, card]) => card);
    this.#list.insertBefore(card.element, later[0]?.element ?? null);
    return card;
  }
}

class Card {
  constructor({ number, probabilities }) {
    this.element = make("article", { className: "face" });
    this.label = make("strong");
    this.share = make("span", { className: "share" });
    const title = make("h3", {}, [`Face ${number} `, this.label, this.share]);
    this.rows = probabilities.map(([name], place) => {
      const fill = make("span", { className: "fill" });
      const value = make("span", { className: "value" });
      const trough = make("span", { className: "trough" }, [fill]);
      trough.ariaHidden = "true";
      const row = make("li", {}, [make("span", { className: "name", textContent: name }), trough, value]);
      paint(row, name, place);
      return { row, fill, value };
    });
    this.trend = make("canvas", { className: "trend" });
    this.trend.setAttribute("role", "img");
    this.axis = make("p", { className: "axis" }, [make("span", { textContent: "30 s ago" }), make("span", { textContent: "now" })]);
    this.axis.ariaHidden = "true";
    const bars = make("ul", { className: "bars" }, this.rows.map(({ row }) => row));
    this.element.append(title, bars, this.trend, this.axis);
  }

  update(track, now, trends) {
    const { label, share, probabilities } = track;
    this.label.textContent = label;
    this.share.textContent = percent(share);
    paint(this.element, label, probabilities.findIndex(([name]) => name === label));
    probabilities.forEach(([name, share], place) => {
      const { row, fill, value } = this.rows[place];
      fill.style.transform = `scaleX(${share.toFixed(3)})`;
      value.textContent = percent(share);
      row.classList.toggle("best", name === label);
    });
    this.trend.hidden = this.axis.hidden = !trends;
    if (!trends) return;
    drawTrend(this.trend, track, now);
    this.trend.ariaLabel = tellTrend(track);
  }
}

// Says what the faces show to a screen reader: once it has been the same for a while, and not too often.
export class Speaker {
  #region = document.getElementById("spoken");
  #text = "";
  #since = 0;
  #spoke = -APART_S;

  hear(tracks, now) {
    const text = tracks.length ? tracks.map(inWords).join(", ") : "no face";
    if (text !== this.#text) [this.#text, this.#since] = [text, now];
    const settled = now - this.#since >= SETTLED_S && now - this.#spoke >= APART_S;
    if (settled && text !== this.#region.textContent) {
      this.#region.textContent = text;
      this.#spoke = now;
    }
  }

  // At once: for a picture, which will not change.
  say(tracks) {
    this.#region.textContent = tracks.length ? tracks.map(inWords).join(", ") : "no face";
  }
}

function inWords({ number, label }) {
  return `face ${number}: ${label}`;
}

function width({ box }) {
  return box.right - box.left;
}

function paint(element, name, place) {
  const [light, dark] = coloursOf(name, place);
  element.style.setProperty("--light", light);
  element.style.setProperty("--dark", dark);
}

export function make(tag, properties = {}, children = []) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
