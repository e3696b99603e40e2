// What each worker did in the last minutes: the server's memory first, then what the page sees.

const KEPT = 120;
const SERIES = ["cpu", "memory", "loop_lag_ms", "connections"];

export class Trends {
  #workers = new Map(); // by number: {pid, series}
  #told = {};

  // Take what the server remembers, for the workers that the next status shows, in place of all.
  load(trends) {
    this.#told = trends.workers;
    this.#workers.clear();
  }

  add(workers) {
    const before = this.#workers;
    this.#workers = new Map();
    for (const worker of workers) {
      let seen = before.get(worker.id);
      if (seen?.pid !== worker.pid) seen = { pid: worker.pid, ...(before.size ? {} : this.#told[worker.id]) };
      for (const name of SERIES) seen[name] = [...(seen[name] ?? []), worker[name]].slice(-KEPT);
      this.#workers.set(worker.id, seen);
    }
    this.#told = {};
  }

  of(worker) {
    return this.#workers.get(worker);
  }
}
