// Draws a snapshot of the node. Names come from peers, which may be hostile: every name is inserted as text.

import { draw as drawMap } from "./map.js";
import { bytes, describe, figure, number, place, rate, span, watches } from "./words.js";

const at = (id) => document.getElementById(id);

/** Draws the whole page from a snapshot, the earlier snapshots, the time now, and the time of the snapshot, both in milliseconds. */
export function draw(look, course, now, taken) {
  const all = watches(look);
  const nodes = nodesOf(look, course, all);
  const shown = nodes.filter((node) => wanted(node.name));
  head(look.node, now - taken);
  figures(look, course);
  drawMap(at("map"), look.node.name, shown);
  nodesTable(look, shown, nodes, now);
  downs(look, now - taken);
  monitors(look, all);
  counts(look, course);
}

/** An element with a text, or with others in it. */
function element(name, className, ...inside) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...inside);
  return made;
}

/** A text that keeps its direction to itself. */
function name(text, className = "") {
  const bdi = element("bdi", className, text);
  bdi.title = text;
  return bdi;
}

/** A node name: on a narrow screen its label and its host are on two lines. */
function nodeName(text) {
  const split = text.indexOf("@");
  if (split < 0) return name(text);
  const host = element("span", "host", element("span", "at", "@"), text.slice(split + 1));
  const bdi = element("bdi", "", text.slice(0, split), host);
  bdi.title = text;
  return bdi;
}

/** The text below an empty list. */
function none(list, shown, all, text) {
  at(`${list}-none`).hidden = shown > 0 || (all === 0 && !text);
  at(`${list}-none`).textContent = all > 0 ? "Nothing matches the filter." : text;
}

const cell = (text, className = "") => element("td", className, text);
const end = ({ what, node }) => element("span", "end", name(what, "target"), said(" on "), name(node, "on"));
const said = (text) => element("span", "said", text);

/** Makes the children of `parent` those of the items: children that exist already are reused, so that nothing flickers or loses focus. */
function fill(parent, items, key, make) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const children = items.map((item) => {
    const child = make(item);
    child.dataset.key = key(item);
    const before = old.get(child.dataset.key);
    if (!before) {
      if (parent.dataset.filled) child.classList.add("new");
      return child;
    }
    if (!same(before, child)) before.replaceChildren(...child.childNodes);
    before.className = [child.className, before.classList.contains("new") ? "new" : ""].join(" ").trim();
    return before;
  });
  parent.dataset.filled = "true";
  const unchanged = children.length === parent.children.length && children.every((child, i) => child === parent.children[i]);
  if (!unchanged) parent.replaceChildren(...children);
}

const same = (one, other) => one.textContent === other.textContent && one.childNodes.length === other.childNodes.length;

function head(node, since) {
  at("node").replaceChildren(name(node.name));
  const up = node.uptime_ms === undefined ? [] : [`up for ${span(node.uptime_ms + since)}`, `version ${node.version}`];
  const parts = [node.address ? `listens on ${node.address}` : "listens nowhere", ...up, `incarnation ${node.incarnation}`];
  if (node.hidden) parts.unshift("hidden");
  at("details").textContent = parts.join(" · ");
}

function figures(look, course) {
  const gauge = (wanted) => look.gauges.find((line) => line.name === wanted)?.count ?? 0;
  const sum = look.told.reduce((all, line) => all + line.count, 0);
  const perSecond = course.curve.at(-1) ?? 0;
  const tiles = [
    ["nodes up", figure(look.node.peers.length + (look.node.more_peers ?? 0) + 1), "including this one"],
    ["processes", figure(look.node.processes), "on this node"],
    ["monitors held", figure(look.node.monitors), `${figure(gauge("fired"))} fired, not received`],
    ["watched by others", figure(look.node.monitored_by), "monitors on its processes"],
    ["waiting", figure(gauge("waiting")), `for a connection, ${bytes(gauge("waiting_bytes"))}`],
    ["Downs reported", figure(sum), perSecond > 0 ? `${rate(perSecond)} a second` : "none at the moment"],
  ];
  fill(at("figures"), tiles, ([label]) => label, ([label, value, note]) =>
    element("div", "figure", element("dt", "", label), element("dd", "value", value), element("dd", "note", note)),
  );
  at("figures").lastElementChild.append(sparkline(course.curve));
}

/** The Downs of each second, as a small curve on its ground. */
function sparkline(curve) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 120 24");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const most = Math.max(1, ...curve);
  const line = (className, points) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    made.setAttribute("class", className);
    made.setAttribute("points", points.join(" "));
    svg.append(made);
  };
  line("ground", ["0,23", "120,23"]);
  const start = 121 - curve.length;
  if (curve.some((value) => value > 0)) line("curve", curve.map((value, i) => `${start + i},${(23 - (value / most) * 21).toFixed(1)}`));
  return svg;
}

/** The nodes that are up, the nodes that are watched and not up, and the nodes that have just gone, sorted by name. */
function nodesOf(look, course, all) {
  const own = look.node.name;
  // A snapshot contains a part of the monitors, but their number for each connected peer.
  const nodes = new Map(look.node.peers.map((peer) => [peer.name, { ...peer, up: true, out: peer.monitors, in: peer.monitored_by }]));
  const add = (peer) => {
    if (!nodes.has(peer.name)) nodes.set(peer.name, { ...peer, up: false, out: 0, in: 0, part: look.monitors.more });
    return nodes.get(peer.name);
  };
  course.gone().forEach(add);
  for (const { watcher, target, fired } of all) {
    if (target.node !== own && !fired) count(add({ name: target.node }), "out");
    if (watcher.node !== own) count(add({ name: watcher.node }), "in");
  }
  return [...nodes.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}

function count(node, way) {
  if (!node.up) node[way] += 1;
}

function nodesTable(look, shown, nodes, now) {
  const up = nodes.filter((node) => node.up).length;
  at("nodes-of").textContent = nodes.length === 0 ? "no other node is connected" : `${number(up)} connected to this node`;
  none("nodes", shown.length, nodes.length, "");
  const monitors = (node, value) => cell(number(value) + (node.part && value > 0 ? " or more" : ""), "number");
  const row = (node) => {
    const mark = element("span", "dot");
    mark.setAttribute("aria-hidden", "true");
    const head = element("th", "", element("span", "peer", mark, nodeName(node.name)));
    head.scope = "row";
    // A session is hidden if either end is hidden. If this node is hidden, that does not tell whether the peer is.
    if (node.up && node.hidden && !look.node.hidden) head.append(element("span", "tag", "hidden"));
    if (!node.up) head.append(element("span", "tag lost", node.since ? gone(now - node.since) : "not connected"));
    return element("tr", node.up ? "" : "gone", head,
      cell(node.incarnation ?? "", "wide code"), cell(node.session === undefined ? "" : String(node.session), "number wide"),
      monitors(node, node.out), monitors(node, node.in),
      cell(node.up ? bytes(node.queued_bytes) : "", "number wide"));
  };
  fill(at("nodes"), shown, (node) => node.name, row);
}

const gone = (milliseconds) => (milliseconds < 1000 ? "just gone" : `gone for ${span(milliseconds)}`);

function downs(look, since) {
  const shown = look.downs.filter((down) => wanted(down.target, down.text));
  at("downs-of").textContent = look.downs.length === 0 ? "" : "newest first";
  none("downs", shown.length, look.downs.length, "None so far.");
  fill(at("downs"), shown, (down) => down.monitor, (down) => {
    const { kind, tone, why, evidence } = describe(down);
    const { what, node } = place(down.target);
    const ago = span(down.ago_ms + since);
    const when = element("span", "when", ago === "now" ? ago : `${ago} ago`);
    return element("li", `down ${tone}`,
      element("div", "line", element("span", "tag", kind), end({ what, node }), when),
      element("div", "why", name(why || "no process has that name")),
      element("div", "evidence", evidence));
  });
}

function monitors(look, all) {
  const shown = all.filter(({ watcher, target }) => wanted(watcher.node, watcher.what, target.node, target.what));
  const count = look.node.monitors + look.node.monitored_by;
  const part = look.monitors.more ? `the first ${number(all.length)} of ${number(count)}` : number(all.length);
  at("monitors-of").textContent = shown.length === all.length ? part : `${number(shown.length)} of ${part}`;
  none("monitors", shown.length, all.length, "There are no monitors.");
  fill(at("monitors"), shown, (watch) => watch.key, ({ watcher, target, fired }) => {
    const arrow = element("span", "arrow", "→");
    arrow.setAttribute("aria-hidden", "true");
    const line = element("li", "watch", end(watcher), said(" watches "), arrow, end(target));
    if (fired) line.append(element("span", "tag lost", "fired"));
    return line;
  });
}

/** The counts that are not zero, those with the highest rates first. */
function counts(look, course) {
  const lines = look.counts.filter((line) => line.count > 0);
  lines.sort((a, b) => course.perSecond(b.name) - course.perSecond(a.name) || b.count - a.count);
  fill(at("counts"), lines, (line) => line.name, (line) => {
    const head = element("th", "", line.name.replaceAll("_", " "));
    head.scope = "row";
    const perSecond = course.perSecond(line.name);
    return element("tr", perSecond > 0 ? "busy" : "", head, cell(number(line.count), "number"), cell(rate(perSecond), "number"));
  });
}

function wanted(...texts) {
  const filter = at("filter").value.trim().toLowerCase();
  return texts.some((text) => text.toLowerCase().includes(filter));
}
