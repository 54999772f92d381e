// Asks the node again and again, one question at a time, and says so when it does not answer.

import { Course } from "./course.js";
import { draw } from "./picture.js";
import { span } from "./words.js";

const QUESTION = "inspect?monitors=200&downs=50";
const INTERVAL_MS = 1000;
/** After failures it asks less and less often, but at least so often. */
const LONGEST_MS = 5000;
const PATIENCE_MS = 5000;

const at = (id) => document.getElementById(id);
const course = new Course();
let look = null;
/** How it is with the node: connecting, live or lost. And why it is lost. */
let kind = "connecting";
let why = "";
let heard = 0;
let failures = 0;
let paused = false;
let timer = 0;
let asking = false;

async function ask() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  try {
    const answer = await fetch(QUESTION, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    look = await answer.json();
    heard = performance.now();
    const again = course.add(look, heard);
    well(again);
    redraw();
  } catch (error) {
    failures += 1;
    unwell(error);
  } finally {
    asking = false;
    schedule();
  }
}

/** The next question, when this one is done with: slow answers do not pile up. */
function schedule() {
  clearTimeout(timer);
  if (paused || document.hidden) return;
  timer = setTimeout(ask, Math.min(INTERVAL_MS * 2 ** Math.min(failures, 8), failures ? LONGEST_MS : INTERVAL_MS));
}

function well(again) {
  failures = 0;
  kind = "live";
  status();
  document.title = `${look.node.name} – obit`;
  notice(again ? "The node has been started anew: all counts begin again." : "");
}

function unwell(error) {
  kind = "lost";
  status();
  document.title = `lost: ${look?.node.name ?? "the node"} – obit`;
  why = error.name === "TimeoutError" ? "it does not answer" : error.message.startsWith("it ") ? error.message : "nobody is there";
  lost();
}

/** Says that the node is lost, and draws it older by the time that has passed. */
function lost() {
  const age = performance.now() - heard;
  notice(`The node is lost: ${why}. ${paused ? "Paused: it is not asked again." : "Trying again."}`);
  at("notice-age").textContent = look ? (age < 1000 ? "This is what it said just now." : `This is what it said ${span(age)} ago.`) : "";
  redraw();
}

function redraw() {
  if (look) draw(look, course, kind === "lost" ? performance.now() : heard, heard);
}

function status() {
  const text = kind === "lost" && paused ? "lost, paused" : paused ? "paused" : kind;
  // Told to those who listen only when it changes.
  if (at("status").textContent !== text) at("status").textContent = text;
  at("status").dataset.state = paused && kind !== "lost" ? "paused" : kind;
  document.documentElement.dataset.state = kind;
}

let shownUntil = 0;

function notice(text) {
  const place = at("notice");
  // What is only good to know stays for a while.
  if (text) shownUntil = performance.now() + 10_000;
  else if (failures === 0 && place.dataset.kind === "news" && performance.now() < shownUntil) return;
  place.dataset.kind = failures ? "lost" : "news";
  place.hidden = !text;
  at("notice-age").textContent = "";
  // The age beside it is not told to those who listen: it changes each second.
  if (at("notice-text").textContent !== text) at("notice-text").textContent = text;
}

at("pause").addEventListener("click", () => {
  paused = !paused;
  at("pause").setAttribute("aria-pressed", String(paused));
  at("pause").textContent = paused ? "Go on" : "Pause";
  status();
  if (paused) clearTimeout(timer);
  else ask();
});
at("filter").addEventListener("input", redraw);
setInterval(() => kind === "lost" && !document.hidden && lost(), 1000);
addEventListener("resize", redraw);
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : paused || ask()));

ask();
