// Turns the node's data into texts. Nothing here changes the page.

const URI = /^partisan:(pid|ref):([^:]+):[0-9a-f]+:(\d+\.\d+)$/;
const NAME = /^partisan:name:([^:]+):(.+)$/;

/** Splits a pid, a reference or a name@node: the process or monitor, and its node. */
export function place(text) {
  const uri = URI.exec(text);
  if (uri) {
    return { what: `${uri[1] === "pid" ? "process" : "monitor"} ${uri[3]}`, node: decoded(uri[2]) };
  }
  const named = NAME.exec(text);
  if (named) return { what: decoded(named[2]), node: decoded(named[1]) };
  // A registered name has no @: the first one splits.
  const at = text.indexOf("@");
  return at < 0 ? { what: text, node: "" } : { what: text.slice(0, at), node: text.slice(at + 1) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The monitors, those of this node and those of its peers: one entry each. */
export function watches(look) {
  const own = look.node.name;
  const held = look.monitors.held.map((monitor) => ({
    key: monitor.monitor,
    watcher: monitor.watcher ? place(monitor.watcher) : { what: "the program itself", node: own },
    target: place(monitor.target),
    fired: monitor.fired,
  }));
  const others = look.monitors.on.flatMap((process) =>
    process.by.map((by) => ({
      key: by,
      watcher: { what: "a watcher", node: place(by).node },
      target: { what: process.names[0] ?? place(process.process).what, node: own },
      fired: false,
    })),
  );
  return [...held, ...others];
}

/** Describes a Down: its kind, the reason, and what proves it. */
export function describe(down) {
  const rest = down.text.includes(": ") ? down.text.slice(down.text.indexOf(": ") + 2) : "";
  const evidence = {
    "target-node": "reported by its own node",
    "session-end": "the connection ended: the process may still be alive",
    "no-session": "there was no connection: the process may be alive",
  };
  const kinds = {
    exit: rest === "normal" || rest === "shutdown" ? ["ended", "good"] : ["ended", "bad"],
    noproc: ["no process", "none"],
    noconnection: ["no connection", "lost"],
  };
  const [kind, tone] = kinds[down.reason] ?? [down.reason, "none"];
  const why = down.reason_was_cut ? `${rest}… (cut)` : rest;
  return { kind, tone, why, evidence: evidence[down.source] ?? "" };
}

/** A time span, in its two largest units. */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 1) return "now";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const hours = Math.floor(seconds / 3600);
  if (hours < 48) return `${hours} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(hours / 24)} days`;
}

const WHOLE = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const number = (value) => WHOLE.format(value);

/** A figure that must not grow wide. */
export const figure = (value) => (value < 100_000 ? WHOLE.format(value) : SHORT.format(value));

export function rate(perSecond) {
  if (perSecond === 0) return "–";
  return perSecond < 10 ? perSecond.toFixed(1) : figure(Math.round(perSecond));
}

export function bytes(value) {
  if (value < 1024) return `${value}\u00a0B`;
  const units = ["KiB", "MiB", "GiB"];
  let at = -1;
  do {
    value /= 1024;
    at += 1;
  } while (value >= 1024 && at < units.length - 1);
  return `${value.toFixed(1)}\u00a0${units[at]}`;
}
