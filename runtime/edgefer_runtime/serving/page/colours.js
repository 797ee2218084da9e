// A colour for each expression, on light and on dark grounds. Any two differ by at least 5 in OKLab (x 100)
// for normal sight, protanopia, deuteranopia and tritanopia (Machado et al. 2009), and each has a contrast
// of at least 3 : 1 with its ground.

const NAMED = {
  anger: ["#a03200", "#e0531f"],
  disgust: ["#005f45", "#6fb58a"],
  fear: ["#df5da9", "#ffc9ee"],
  happiness: ["#b08a00", "#f6c33a"],
  sadness: ["#2a86d8", "#56b4e9"],
  surprise: ["#35207a", "#7a78f5"],
  neutral: ["#6a6f78", "#858b99"],
  contempt: ["#4a2c14", "#a07850"],
};
const DARK = matchMedia("(prefers-color-scheme: dark)");

// Both colours of a class, [light, dark]; a class of another name takes the colour at its place.
export function coloursOf(name, place) {
  return NAMED[name] ?? Object.values(NAMED)[place % Object.keys(NAMED).length];
}

// The colour on the page's ground as it is now.
export function colourOf(name, place) {
  return coloursOf(name, place)[DARK.matches ? 1 : 0];
}

// The colour on the dark labels that lie over a picture.
export function colourOverPicture(name, place) {
  return coloursOf(name, place)[1];
}
