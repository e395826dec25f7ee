import { scriptAddress } from "./trusted.js";

/** @typedef {import("./types.js").Clock} Clock */

/**
 * Timers that keep their time in a hidden tab, where the browser runs ordinary ones once a minute: they are counted in a
 * worker. Without workers they are ordinary ones.
 * @param {string|null} [url] of worker.js
 * @returns {Clock & {close(): void}}
 */
export function createClock(url = new URL("./worker.js", import.meta.url).href) {
  /** @type {Map<number, () => void>} */
  const waiting = new Map();
  let last = 0;
  const worker = url === null ? null : start(url);

  /** @param {number} id */
  function fire(id) {
    const fn = waiting.get(id);
    waiting.delete(id);
    fn?.();
  }

  if (worker) worker.onmessage = (event) => fire(event.data);
  /** @type {Map<number, number>} */
  const own = new Map();

  return {
    now: () => performance.now(),
    after(fn, ms) {
      const id = ++last;
      waiting.set(id, fn);
      // Both: a visible tab needs no worker, and a worker that does not start must not stop anything.
      own.set(
        id,
        globalThis.setTimeout(() => settle(id), ms),
      );
      if (worker && ms >= 1000) worker.postMessage({ id, ms });
      return id;
    },
    cancel(id) {
      waiting.delete(id);
      clearTimeout(own.get(id));
      own.delete(id);
      worker?.postMessage({ id, ms: null });
    },
    close() {
      for (const id of own.values()) clearTimeout(id);
      waiting.clear();
      worker?.terminate();
    },
  };

  /** @param {number} id */
  function settle(id) {
    own.delete(id);
    fire(id);
  }
}

/** @param {string} url @returns {Worker|null} */
function start(url) {
  try {
    return new Worker(scriptAddress(url), { type: "module" });
  } catch {
    return null;
  }
}
