// The page: sources, model, watcher and views, joined.

import { nameOf, showAbout } from "./about.js";
import { Client, Refusal } from "./client.js";
import { FaceList, make, Speaker } from "./facelist.js";
import { drawOverlay } from "./overlay.js";
import { FrameSize, Meter } from "./pace.js";
import { Stage } from "./stage.js";
import { Tracks } from "./tracks.js";
import { Watcher } from "./watcher.js";
import * as words from "./words.js";

const REFRESH_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 125;
const METER_MS = 500;
const RETRY_MS = 2000;

const $ = (id) => document.getElementById(id);
const client = new Client();
const stage = new Stage();
const tracks = new Tracks();
const faces = new FaceList();
const speaker = new Speaker();
const meter = new Meter();
const frameSize = new FrameSize();
const watcher = new Watcher(client, () => stage.shoot(frameSize.side), onAnswer, onRefusal);

let models = [];
let model = null;
let source = "none"; // or "camera", "picture"
let paused = false;
let shrunk = false; // the picture's file was too large for the server
let last = null; // { tracks, width, height } of the newest answer
let kind = ""; // the engine and its classes, as answers tell them: a bundle may be exchanged under its name
const due = { list: 0, meter: 0 };

function onAnswer({ message, tripMs }, { content }) {
  const { width, height } = message.frame;
  const now = performance.now();
  const [face] = message.faces;
  const told = face ? `${message.model}: ${Object.keys(face.probabilities)}` : kind;
  if (told !== kind || $("state").dataset.state === "trouble") loadModels();
  if (told !== kind) forget();
  kind = told;
  if (source === "picture") setState("picture", shrunk ? words.SHRUNK : "");
  else setState(paused ? "paused" : "live");
  meter.add(message.latency_ns / 1e6, tripMs);
  if (source === "camera") frameSize.add(tripMs);
  last = { tracks: tracks.update(message.faces, now / 1000), width, height };
  drawLast();
  const still = source === "picture" || paused;
  if (still || now >= due.list) {
    faces.show(last.tracks, now / 1000, { trends: source === "camera" });
    due.list = now + REFRESH_MS;
  }
  if (still) speaker.say(last.tracks);
  else speaker.hear(last.tracks, now / 1000);
  if (still || now >= due.meter) {
    showSpeed(content.size, width, height);
    due.meter = now + METER_MS;
  }
}

function onRefusal(refusal) {
  if (refusal.status === 413 && source === "picture" && stage.shrink()) {
    shrunk = true;
    watch();
    return;
  }
  setState("trouble", refusal instanceof Refusal ? words.ofServer(refusal) : `This page failed: ${refusal.message}`);
  if (refusal.status === 401) askForToken();
  if (refusal.status === 404) loadModels();
}

function drawLast() {
  if (last) drawOverlay($("overlay"), last.tracks, stage.placing(last.width, last.height));
}

function showSpeed(bytes, width, height) {
  for (const time of ["server", "trip"])
    for (const percent of [50, 95])
      $(`${time}-p${percent}`).textContent = `${meter.quantile(time, percent / 100).toFixed(0)} ms`;
  const rate = meter.rate;
  $("rate").textContent = source === "camera" && !Number.isNaN(rate) ? rate.toFixed(rate < 9.5 ? 1 : 0) : "–";
  $("sent").textContent = `${width} × ${height}, ${(bytes / 1000).toFixed(0)} kB`;
}

const STATES = { idle: "Idle", live: "Live", paused: "Paused", picture: "Picture", trouble: "Trouble" };

function setState(state, trouble = "") {
  $("state").textContent = STATES[state];
  $("state").dataset.state = state;
  if ($("trouble").textContent !== trouble) $("trouble").textContent = trouble;
}

function forget() {
  tracks.clear();
  faces.clear();
  meter.clear();
  last = { tracks: [], width: 1, height: 1 };
  drawLast();
}

// Begin anew with what is on the stage.
function watch() {
  if (source === "none" || !model) return;
  watcher.start(model, { once: source === "picture" || paused });
}

function setSource(name) {
  source = name;
  paused = shrunk = false;
  const camera = name === "camera";
  $("camera").textContent = camera ? "Stop the camera" : "Use the camera";
  $("camera").classList.toggle("primary", !camera);
  $("pause").hidden = !camera;
  $("pause").textContent = "Pause";
  $("mirror").parentElement.hidden = !camera;
  $("mirror").checked = stage.mirrored;
  if (!camera) $("cameras").parentElement.hidden = true;
}

async function openCamera(deviceId = "") {
  watcher.stop();
  forget();
  setState("idle");
  try {
    await stage.openCamera(deviceId, () => closeSource(words.CAMERA_ENDED));
  } catch (error) {
    closeSource(words.ofCamera(error));
    return;
  }
  setSource("camera");
  await listCameras();
  watch();
}

async function listCameras() {
  const cameras = await stage.cameras();
  $("cameras").parentElement.hidden = cameras.length < 2;
  $("cameras").replaceChildren(
    ...cameras.map(({ id, name, current }) => make("option", { value: id, textContent: name, selected: current })),
  );
}

async function openPicture(file) {
  watcher.stop();
  try {
    await stage.openPicture(file);
  } catch {
    setState(source === "none" ? "idle" : "trouble", words.NO_PICTURE);
    if (source === "camera") watch();
    return;
  }
  forget();
  setSource("picture");
  setState("idle");
  watch();
}

function closeSource(trouble = "") {
  watcher.stop();
  stage.close();
  forget();
  setSource("none");
  setState(trouble ? "trouble" : "idle", trouble);
}

async function togglePause() {
  paused = !paused;
  $("pause").textContent = paused ? "Go on" : "Pause";
  watcher.stop();
  if (paused) stage.pause();
  else await stage.resume();
  watch(); // the frame that stands still is looked at once
}

async function loadModels() {
  try {
    models = await client.models();
  } catch (refusal) {
    onRefusal(refusal);
    if (refusal.passes) setTimeout(loadModels, RETRY_MS);
    return;
  }
  const same = models.find(({ name, version }) => name === model?.name && version === model?.version);
  const before = model;
  model = same ?? models[0];
  const options = models.map((each) =>
    make("option", { textContent: nameOf(each, models), selected: each === model }),
  );
  $("model").replaceChildren(...options);
  $("model").disabled = models.length < 2;
  showAbout(model);
  if (!before) {
    setState("idle");
    watch();
  } else if (!same) chooseModel(0);
}

function chooseModel(index) {
  model = models[index];
  showAbout(model);
  forget();
  watch();
}

function askForToken() {
  $("token").hidden = false;
  $("token-text").focus();
}

$("camera").addEventListener("click", () => (source === "camera" ? closeSource() : openCamera()));
$("pause").addEventListener("click", togglePause);
$("choose").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", ({ target }) => {
  if (target.files[0]) openPicture(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
});
$("cameras").addEventListener("change", ({ target }) => openCamera(target.value));
$("mirror").addEventListener("change", ({ target }) => {
  stage.mirror = target.checked;
  drawLast();
});
$("model").addEventListener("change", ({ target }) => chooseModel(target.selectedIndex));
$("token").addEventListener("submit", (event) => {
  event.preventDefault();
  client.token = $("token-text").value;
  $("token-text").value = "";
  $("token").hidden = true;
  setState("idle");
  $("camera").focus();
  loadModels().then(() => model && watch());
});

document.addEventListener("paste", ({ clipboardData }) => {
  const file = [...clipboardData.files].find(({ type }) => type.startsWith("image/"));
  if (file) openPicture(file);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) document.body.classList.remove("dragging");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  if (event.dataTransfer.files[0]) openPicture(event.dataTransfer.files[0]);
});
new ResizeObserver(drawLast).observe($("stage"));

$("host").textContent = location.host;
loadModels();
