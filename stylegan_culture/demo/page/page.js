// The page: joins pictures, sliders, camera and model.

import { cameraFrame, cameraRuns, startCamera, stopCamera } from "./camera.js";
import { buildControls, describeSettings, readSettings } from "./controls.js";
import { Live } from "./live.js";
import { openModel } from "./model.js";
import { keepForOffline } from "./offline.js";
import { fit, fromSquare, readPicture, show, toSquare } from "./picture.js";
import { fetchExample, watchSources } from "./sources.js";

const byId = (id) => document.getElementById(id);
const [easel, original, restyled, wipe] = ["easel", "original", "restyled", "wipe"].map(byId);
const [camera, modelFile] = ["camera", "model-file"].map(byId);

let facts; // what the server says of the model: its cultures and files
let model; // the open model
let source; // the picture: its file as `blob`, its `name`, and its `pixels` scaled to a model's edge
let announcing; // timer: a screen reader hears the result when the sliders rest

const live = new Live({
  work: restyle,
  idle: (idle) => byId("main").setAttribute("aria-busy", String(!idle)),
  failed: (error) => {
    model = null; // a lost graphics device, say: opened anew when next needed
    complain(error);
  },
});

function say(text) {
  byId("status").textContent = text;
}

function complain(error) {
  clearTimeout(announcing);
  say(error.message);
  console.warn(error);
}

/** Runs an action of the visitor; what goes wrong is said in words. */
function attempt(action) {
  return (...given) => action(...given).catch(complain);
}

function chosenFile() {
  return facts.files.find((file) => file.name === modelFile.value);
}

/** Restyles the picture, or the camera's present frame, by all that is chosen now. */
async function restyle() {
  if (model?.file !== chosenFile()) await changeModel(chosenFile());
  const pixels = cameraRuns() ? frame() : await scaledSource();
  if (!pixels) return;
  const settings = readSettings();
  const none = settings.mixture.every((weight) => weight === 0);
  const before = performance.now();
  const result = none ? pixels : await stylize(pixels, settings);
  byId("timing").textContent = none ? "" : `${Math.round(performance.now() - before)} ms`;
  hang(pixels);
  show(restyled, result);
  describe(settings);
  byId("save").disabled = false;
  if (cameraRuns()) live.wanted = true;
}

async function changeModel(file) {
  say("Loading the model.");
  model?.delete();
  model = null;
  model = await openModel(file, facts.cultures.length);
  byId("engine").textContent = model.engine;
  say(source?.name ?? "");
}

async function scaledSource() {
  if (source && Math.max(source.pixels.width, source.pixels.height) !== model.file.size) {
    source.pixels = await readPicture(source.blob, model.file.size);
  }
  return source?.pixels;
}

async function stylize(pixels, { mixture, strength }) {
  const size = model.file.size;
  const result = await model.run(toSquare(pixels, size), mixture, strength);
  return fromSquare(result, size, pixels.width, pixels.height);
}

/** Shows the picture as it was given, in its proportion. */
function hang(pixels) {
  show(original, pixels);
  easel.style.setProperty("--proportion", pixels.width / pixels.height);
}

function describe(settings) {
  const words = describeSettings(facts.cultures, settings);
  const name = cameraRuns() ? "The camera's picture" : source.name;
  restyled.setAttribute("aria-label", `${name}: ${words}`);
  clearTimeout(announcing);
  const announce = () => (byId("shown").textContent = `Shown: ${words}.`);
  if (!cameraRuns()) announcing = setTimeout(announce, 600);
}

function frame() {
  const video = cameraFrame();
  return fit(video, video.videoWidth, video.videoHeight, model.file.size);
}

/** Takes a new picture, and switches the camera off. */
async function take(blob, name) {
  const pixels = await readPicture(blob, chosenFile().size);
  stopCamera();
  labelCamera();
  source = { blob, name, pixels };
  hang(pixels);
  say(name);
  restyled.width = pixels.width; // which empties it: the former result is not this picture's
  restyled.height = pixels.height;
  await live.request();
}

async function takeExample() {
  await take(await fetchExample(chosenFile().size), "An evening at a lake");
}

async function toggleCamera() {
  if (cameraRuns()) {
    stopCamera();
    say("The camera is off.");
    if (source) hang(source.pixels);
  } else {
    await startCamera();
    say("The camera is on. Nothing is recorded.");
  }
  labelCamera();
  await live.request();
}

/** The camera's present frame becomes the picture. */
async function takeFrame() {
  const video = cameraFrame();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  await take(blob, "Your photograph");
  camera.focus();
}

function labelCamera() {
  byId("take").hidden = !cameraRuns();
  camera.textContent = cameraRuns() ? "Stop" : "Camera";
  camera.setAttribute("aria-label", cameraRuns() ? "Stop the camera" : "Camera");
}

function save() {
  const words = describeSettings(facts.cultures, readSettings());
  const name = words.toLowerCase().replace(/\s%/g, "").replace(/[^\p{L}\p{N}]+/gu, "-");
  restyled.toBlob((blob) => {
    const address = URL.createObjectURL(blob);
    Object.assign(document.createElement("a"), { href: address, download: `${name}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
    say(`Saved as ${name}.png.`);
  }, "image/png");
}

function moveWipe() {
  easel.style.setProperty("--wipe", `${wipe.value}%`);
  wipe.setAttribute("aria-valuetext", `${wipe.value} % original, ${100 - wipe.value} % restyled`);
}

function listModelFiles() {
  for (const { name, size, precision, bytes } of facts.files) {
    const words = `${size} px, ${precision}, ${(bytes / 1e6).toFixed(1)} MB`;
    modelFile.append(new Option(words, name, name === facts.chosen, name === facts.chosen));
  }
  byId("file-choice").hidden = facts.files.length === 1;
}

async function start() {
  const response = await fetch("/model/files.json");
  if (!response.ok) throw new Error("The server does not say which model there is.");
  facts = await response.json();
  listModelFiles();
  buildControls(facts.cultures, () => live.request());
  wipe.addEventListener("input", moveWipe);
  moveWipe();
  modelFile.addEventListener("change", () => live.request());
  watchSources(byId("file"), attempt(take));
  byId("example").addEventListener("click", attempt(takeExample));
  camera.addEventListener("click", attempt(toggleCamera));
  byId("take").addEventListener("click", attempt(takeFrame));
  byId("save").addEventListener("click", save);
  await takeExample();
  byId("offline").textContent = await keepForOffline(["/manifest.webmanifest", "/icon.svg"]);
}

attempt(start)();
