// A map of the node and its peers, with the number of monitors in each direction. The table beside it shows the same.

import { figure } from "./words.js";

/** The node itself is in the middle. */
const CENTRE = { x: 0, y: 0 };

/** For a number of peers on the map (the table has all): their distance, and the maximum lengths of their labels and hosts. */
const WIDE = { places: 14, x: 300, y: 120, label: 17, host: 22, beside: 78 };
const NARROW = { places: 6, x: 102, y: 135, label: 12, host: 15, beside: 58 };
/** The space above and below the peers, and beside them for their names. */
const MARGIN = 60;
/** From this number of peers on the map is higher. */
const FEW = 8;
/** The position of the numbers on the line to a peer. */
const MIDDLE = 0.58;

export function draw(map, own, nodes) {
  const room = map.parentElement.clientWidth < 560 ? NARROW : WIDE;
  const shown = nodes.slice(0, room.places);
  // One or two lie beside the node.
  const height = shown.length > 2 ? room.y + 14 * Math.max(0, shown.length - FEW) : 0;
  // From the left, so that two are beside the node; and none is straight below it, where its name is written.
  const first = shown.length % 4 === 0 ? Math.PI + Math.PI / shown.length : Math.PI;
  const spots = shown.map((_, i) => {
    const angle = first + (2 * Math.PI * i) / shown.length;
    return { x: room.x * Math.cos(angle), y: height * Math.sin(angle) };
  });
  const highest = Math.min(0, ...spots.map((spot) => spot.y)) - MARGIN;
  const more = nodes.length - shown.length;
  const lowest = Math.max(0, ...spots.map((spot) => spot.y)) + MARGIN + (more > 0 ? 16 : 0);
  const from = { x: -room.x * Math.min(1, shown.length) - room.beside, y: highest };
  const size = { x: room.x * Math.min(2, shown.length) + 2 * room.beside, y: lowest - highest };
  map.setAttribute("viewBox", `${from.x} ${from.y} ${size.x} ${size.y}`);
  // A few nodes are not drawn larger than many.
  map.style.maxWidth = `${size.x * 1.1}px`;
  const links = [];
  const badges = [];
  const discs = [];
  shown.forEach((node, i) => {
    const spot = spots[i];
    links.push(line(spot, node));
    badges.push(...numbers(spot, node));
    discs.push(disc(spot, node.name, node.up ? "peer" : "peer gone", room));
  });
  discs.push(disc(CENTRE, own, "own", room));
  if (more > 0) discs.push(text({ x: from.x + size.x - 6, y: from.y + size.y - 6 }, `and ${figure(more)} more below`, "more"));
  // No line goes through a name, and nothing hides a number.
  map.replaceChildren(...links, ...discs, ...badges);
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

const line = (spot, node) => svg("line", { x1: 0, y1: 0, x2: spot.x, y2: spot.y, class: node.up ? "link" : "link gone" });

/** One number for each direction in which there are monitors. */
function numbers(spot, node) {
  const length = Math.hypot(spot.x, spot.y);
  // If there are two numbers, they are on both sides of the line.
  const beside = (far) => ({ x: spot.x * MIDDLE - (spot.y / length) * far, y: spot.y * MIDDLE + (spot.x / length) * far });
  const far = node.out > 0 && node.in > 0 ? 13 : 0;
  const parts = [];
  if (node.out > 0) parts.push(badge(beside(-far), figure(node.out), spot, "out"));
  if (node.in > 0) parts.push(badge(beside(far), figure(node.in), CENTRE, "in"));
  return parts;
}

/** A number with a tip that points at the watched node. */
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

/** A node: a disc, and away from the middle its label and its host. */
function disc(spot, name, className, room) {
  const group = svg("g", { class: className });
  const at = name.indexOf("@");
  const [label, host] = at < 0 ? [name, ""] : [name.slice(0, at), name.slice(at + 1)];
  const radius = className === "own" ? 20 : 14;
  const [first, second] = spot.y < -1 ? [-radius - 21, -radius - 7] : [radius + 16, radius + 30];
  group.append(svg("circle", { cx: spot.x, cy: spot.y, r: radius }), text({ x: spot.x, y: spot.y + first }, cut(label, room.label), "label"));
  // The host of this node is in the title of the page.
  if (className !== "own") group.append(text({ x: spot.x, y: spot.y + second }, cut(host, room.host), "host"));
  return group;
}

/** Names differ at their ends as often as at their beginnings. */
function cut(text, most) {
  const letters = [...text];
  if (letters.length <= most) return text;
  const head = Math.ceil((most - 1) / 2);
  return `${letters.slice(0, head).join("")}…${letters.slice(letters.length - (most - 1 - head)).join("")}`;
}
