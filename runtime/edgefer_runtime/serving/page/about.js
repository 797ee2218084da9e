// What is known about a model, from the server's description of it.

import { make } from "./facelist.js";

// What a model is called among others; its version where there are several of its name.
export function nameOf(model, models) {
  const kind = `${model.model} · ${model.precision} · ${model.target}`;
  const own = model.name === `${model.model}-${model.target}-${model.precision}`;
  const several = models.filter(({ name }) => name === model.name).length > 1;
  return `${own ? kind : `${model.name} (${kind})`}${several ? ` · version ${model.version}` : ""}`;
}

export function showAbout(model) {
  const evaluation = model.accuracy?.evaluation;
  const drop = model.accuracy?.drop;
  const facts = [
    ["Network", model.model],
    ["Precision", model.precision],
    ["Runs on", `${model.target}, ${model.threads === 1 ? "1 thread" : `${model.threads} threads`}`],
    ["Size", `${(model.size_bytes / 1e6).toFixed(1)} MB`],
    ["Accuracy", evaluation && `${interval(evaluation.accuracy, evaluation.interval)} % on ${model.accuracy.data}`],
    ["Accuracy drop", drop && `${interval(drop.points, drop.interval)} points against ${drop.against}`],
    ["Licence", model.licence],
  ].filter(([, fact]) => fact);
  document
    .getElementById("facts")
    .replaceChildren(
      ...facts.flatMap(([name, fact]) => [make("dt", { textContent: name }), make("dd", { textContent: fact })]),
    );
  const notice = document.getElementById("notice");
  notice.textContent = model.notice ?? "";
  notice.hidden = !model.notice;
}

function interval(value, [low, high]) {
  const [middle, from, to] = [value, low, high].map((each) => each.toFixed(1).replace("-", "−"));
  return `${middle} (${from} to ${to})`;
}
