// Compares snapshots: the rates of the counts, and the nodes that have just gone.

/** Number of seconds that the curve of the Downs covers. */
const CURVE = 120;
/** For how long a node that has gone stays on the page, and the maximum number of such nodes. */
const REMEMBERED_MS = 60_000;
const REMEMBERED = 16;

export class Course {
  #incarnation = "";
  #last = null;
  #peers = new Map();
  #gone = new Map();
  curve = [];
  rates = new Map();

  /** Adds a snapshot taken at that time in milliseconds. Returns true if the node has another incarnation than in the last one. */
  add(look, now) {
    const began = this.#incarnation !== look.node.incarnation;
    const again = began && this.#incarnation !== "";
    if (began) {
      this.#incarnation = look.node.incarnation;
      this.#last = null;
      this.#peers.clear();
      this.#gone.clear();
      this.curve = [];
    }
    this.#count(look, now);
    this.#meet(look, now);
    return again;
  }

  /** The nodes that have just gone, and since when. */
  gone() {
    return [...this.#gone.values()];
  }

  perSecond(name) {
    return this.rates.get(name) ?? 0;
  }

  #count(look, now) {
    const counts = new Map(look.counts.map((line) => [line.name, line.count]));
    const downs = look.told.reduce((sum, line) => sum + line.count, 0);
    this.rates = new Map();
    if (this.#last && now > this.#last.now) {
      const seconds = (now - this.#last.now) / 1000;
      const change = (after, before) => Math.max(0, after - before) / seconds;
      for (const [name, count] of counts) {
        this.rates.set(name, change(count, this.#last.counts.get(name) ?? count));
      }
      this.curve.push(change(downs, this.#last.downs));
      this.curve.splice(0, this.curve.length - CURVE);
    }
    this.#last = { now, counts, downs };
  }

  #meet(look, now) {
    const peers = new Map(look.node.peers.map((peer) => [peer.name, peer]));
    for (const [name, peer] of this.#peers) {
      // If the list is incomplete, a node that is not listed may be up.
      if (!peers.has(name) && !look.node.more_peers) this.#gone.set(name, { ...peer, since: now });
    }
    for (const [name, peer] of this.#gone) {
      const tooMany = this.#gone.size > REMEMBERED;
      if (peers.has(name) || tooMany || now - peer.since > REMEMBERED_MS) this.#gone.delete(name);
    }
    this.#peers = peers;
  }
}
