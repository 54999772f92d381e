// Requests snapshots of the node, one request at a time, and shows when the node does not answer.

import { Course } from "./course.js";
import { draw } from "./picture.js";
import { span } from "./words.js";

const REQUEST = "inspect?monitors=200&downs=50";
const INTERVAL_MS = 1000;
/** The longest pause between two requests after failures. */
const LONGEST_MS = 5000;
const PATIENCE_MS = 5000;

const at = (id) => document.getElementById(id);
const course = new Course();
let look = null;
/** The state of the node: connecting, live or lost; and why it is lost. */
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
    const answer = await fetch(REQUEST, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
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

/** Schedules the next request after the end of this one, so that requests do not pile up. */
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
  notice(again ? "The node was restarted: all counts begin at zero." : "");
}

function unwell(error) {
  kind = "lost";
  status();
  document.title = `lost: ${look?.node.name ?? "the node"} – obit`;
  why = error.name === "TimeoutError" ? "it does not answer" : error.message.startsWith("it ") ? error.message : "nothing answers there";
  lost();
}

/** Shows that the node is lost, and how old its state is by now. */
function lost() {
  const age = performance.now() - heard;
  notice(`The node is lost: ${why}. ${paused ? "Paused: it is not asked again." : "Trying again."}`);
  at("notice-age").textContent = look ? (age < 1000 ? "This is its state of a moment ago." : `This is its state of ${span(age)} ago.`) : "";
  redraw();
}

function redraw() {
  if (look) draw(look, course, kind === "lost" ? performance.now() : heard, heard);
}

function status() {
  const text = kind === "lost" && paused ? "lost, paused" : paused ? "paused" : kind;
  // Set only when it changes, because a screen reader reads each change.
  if (at("status").textContent !== text) at("status").textContent = text;
  at("status").dataset.state = paused && kind !== "lost" ? "paused" : kind;
  document.documentElement.dataset.state = kind;
}

let shownUntil = 0;

function notice(text) {
  const place = at("notice");
  // News stay for a while.
  if (text) shownUntil = performance.now() + 10_000;
  else if (failures === 0 && place.dataset.kind === "news" && performance.now() < shownUntil) return;
  place.dataset.kind = failures ? "lost" : "news";
  place.hidden = !text;
  at("notice-age").textContent = "";
  // The age beside it is hidden from screen readers, because it changes each second.
  if (at("notice-text").textContent !== text) at("notice-text").textContent = text;
}

at("pause").addEventListener("click", () => {
  paused = !paused;
  at("pause").setAttribute("aria-pressed", String(paused));
  at("pause").textContent = paused ? "Resume" : "Pause";
  status();
  if (paused) clearTimeout(timer);
  else ask();
});
at("filter").addEventListener("input", redraw);
setInterval(() => kind === "lost" && !document.hidden && lost(), 1000);
addEventListener("resize", redraw);
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : paused || ask()));

ask();
