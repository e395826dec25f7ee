import { signal } from "../vendor/signals-core.js";

/**
 * Which of a person's tabs leads, and how tabs tell each other things. Without Web Locks (plain http on a local network)
 * every visible tab leads for itself.
 * @param {object} options
 * @param {string} options.name
 * @param {LockManager|null} [options.locks]
 * @param {{value: boolean}|null} [options.visible]
 * @param {BroadcastChannel|null} [options.channel]
 */
export function createLeader({ name, locks = navigator.locks ?? null, visible = null, channel = openChannel(name) }) {
  const held = signal(false);
  const leave = new AbortController();
  /** @type {(() => void)|undefined} */
  let resign;
  /** @type {Map<string, Set<(data: any) => void>>} */
  const listeners = new Map();

  if (locks) {
    locks
      .request(`${name} leader`, { signal: leave.signal }, () => {
        held.value = true;
        return new Promise((/** @type {(value?: any) => void} */ done) => (resign = done));
      })
      .catch(() => {}); // this tab was closed while it stood in line
  }
  if (channel) {
    channel.onmessage = ({ data: { kind, data } }) => listeners.get(kind)?.forEach((listener) => listener(data));
  }

  return {
    /** @returns {boolean} */
    get leads() {
      return locks ? held.value : (visible?.value ?? true);
    },
    /** Tell the other tabs. @param {string} kind @param {any} data plain rows */
    post(kind, data) {
      channel?.postMessage({ kind, data });
    },
    /** Be told by the other tabs. @param {string} kind @param {(data: any) => void} listener @returns {() => void} */
    on(kind, listener) {
      const all = listeners.get(kind) ?? new Set();
      listeners.set(kind, all.add(listener));
      return () => all.delete(listener);
    },
    close() {
      leave.abort();
      resign?.();
      channel?.close();
    },
  };
}

/** @typedef {ReturnType<typeof createLeader>} Leader */

/** @param {string} name @returns {BroadcastChannel|null} */
function openChannel(name) {
  return typeof BroadcastChannel === "function" ? new BroadcastChannel(name) : null;
}

/**
 * Run `work` while no other tab runs work of the same name; without Web Locks while none of this tab does.
 * @template T @param {string} name @param {() => Promise<T>} work @param {LockManager|null} [locks] @returns {Promise<T>}
 */
export function alone(name, work, locks = navigator.locks ?? null) {
  if (locks) return /** @type {Promise<any>} */ (locks.request(name, work));
  const before = lines.get(name) ?? Promise.resolve();
  const mine = before.then(work, work);
  lines.set(name, mine);
  return mine.finally(() => lines.get(name) === mine && lines.delete(name));
}

/** @type {Map<string, Promise<any>>} */
const lines = new Map();
