// The node, those it is connected to, and how many monitors go which way. A table beside it says the same.

import { figure } from "./words.js";

/** The node itself is in the middle. */
const CENTRE = { x: 0, y: 0 };
/** How many have a place around the node; the table has all. */
const PLACES = 14;

/** How far from the node they are, and how much room there is beside them, above and below. */
const WIDE = { x: 250, y: 135 };
const NARROW = { x: 115, y: 165 };
const MARGIN = { x: 85, above: 40, below: 60 };
/** Where on the way to a node the numbers stand. */
const MIDDLE = 0.53;

export function draw(map, own, nodes) {
  const shown = nodes.slice(0, PLACES);
  const radius = map.parentElement.clientWidth < 480 ? NARROW : WIDE;
  // One or two lie beside the node.
  const height = shown.length > 2 ? radius.y : 0;
  const from = { x: -radius.x * Math.min(1, shown.length) - MARGIN.x, y: -height - MARGIN.above };
  const size = { x: radius.x * Math.min(2, shown.length) + 2 * MARGIN.x, y: 2 * height + MARGIN.above + MARGIN.below };
  map.setAttribute("viewBox", `${from.x} ${from.y} ${size.x} ${size.y}`);
  // A few nodes are not drawn larger than many.
  map.style.maxWidth = `${size.x * 1.1}px`;
  const drawing = [];
  shown.forEach((node, i) => {
    // From the left, so that two are beside the node; and none is straight below it, where its host is written.
    const first = shown.length % 4 === 0 ? Math.PI + Math.PI / shown.length : Math.PI;
    const angle = first + (2 * Math.PI * i) / shown.length;
    const spot = { x: radius.x * Math.cos(angle), y: radius.y * Math.sin(angle) };
    drawing.push(...link(spot, node));
    drawing.push(disc(spot, node.name, node.up ? "peer" : "peer gone"));
  });
  drawing.push(disc(CENTRE, own, "own"));
  if (nodes.length > shown.length) {
    drawing.push(text({ x: from.x + size.x - 8, y: from.y + size.y - 8 }, `and ${figure(nodes.length - shown.length)} more`, "more"));
  }
  map.replaceChildren(...drawing);
}

function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

function text(spot, content, className) {
  const made = svg("text", { x: spot.x, y: spot.y, class: className });
  made.textContent = content;
  return made;
}

/** The connection, and a number for each way that monitors go. */
function link(spot, node) {
  const line = svg("line", { x1: 0, y1: 0, x2: spot.x, y2: spot.y, class: node.up ? "link" : "link gone" });
  const length = Math.hypot(spot.x, spot.y);
  // Both ways have their numbers on either side of the line.
  const beside = (far) => ({ x: spot.x * MIDDLE - (spot.y / length) * far, y: spot.y * MIDDLE + (spot.x / length) * far });
  const far = node.out > 0 && node.in > 0 ? 13 : 0;
  const parts = [line];
  if (node.out > 0) parts.push(badge(beside(-far), figure(node.out), spot, "out"));
  if (node.in > 0) parts.push(badge(beside(far), figure(node.in), CENTRE, "in"));
  return parts;
}

/** A number with a point towards whom the monitors watch. */
function badge(spot, content, towards, className) {
  const group = svg("g", { class: `badge ${className}` });
  const half = 9 + 4 * content.length;
  const angle = Math.atan2(towards.y - spot.y, towards.x - spot.x);
  const reach = 1 / Math.hypot(Math.cos(angle) / half, Math.sin(angle) / 11);
  const tip = (forwards, sideways) => {
    const x = spot.x + Math.cos(angle) * (reach + forwards) - Math.sin(angle) * sideways;
    const y = spot.y + Math.sin(angle) * (reach + forwards) + Math.cos(angle) * sideways;
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  };
  group.append(
    svg("polygon", { points: [tip(8, 0), tip(-1, 6), tip(-1, -6)].join(" ") }),
    svg("rect", { x: spot.x - half, y: spot.y - 11, width: 2 * half, height: 22, rx: 11 }),
    text({ x: spot.x, y: spot.y + 4.5 }, content, ""),
  );
  return group;
}

/** A node: a disc, its label in it and its host below. */
function disc(spot, name, className) {
  const group = svg("g", { class: className });
  const at = name.indexOf("@");
  const [label, host] = at < 0 ? [name, ""] : [name.slice(0, at), name.slice(at + 1)];
  const radius = className === "own" ? 36 : 28;
  group.append(
    svg("circle", { cx: spot.x, cy: spot.y, r: radius }),
    text({ x: spot.x, y: spot.y + 5 }, cut(label, className === "own" ? 9 : 7), "label"),
    text({ x: spot.x, y: spot.y + radius + 16 }, cut(host, 24), "host"),
  );
  return group;
}

function cut(text, most) {
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join("")}…`;
}
