/** Counts time for timer.js: `{id, ms}` comes in, `id` goes back after so many milliseconds; `ms: null` forgets it. */

/** @type {Map<number, ReturnType<typeof setTimeout>>} */
const running = new Map();

self.onmessage = ({ data: { id, ms } }) => {
  clearTimeout(running.get(id));
  running.delete(id);
  if (ms === null) return;
  running.set(
    id,
    setTimeout(() => {
      running.delete(id);
      self.postMessage(id);
    }, ms),
  );
};
