/**
 * The files of messages: fetched two at a time, only when somebody sees them, and kept as long as the page has room.
 *
 * A file is known by its message's id; with `?size=small` behind it, it is the small picture.
 *
 * WhatsApp hands files out slowly at times: what answers 429 or 503 is asked again when it says, without a click.
 */

import { signal } from "../vendor/signals-core.js";

const AT_ONCE = 2;
const KEPT = 80;
const TRIES = 6;
const PAUSES = [2, 5, 10, 20, 30]; // seconds, when nobody names any

/**
 * @typedef {object} FileState
 * @property {"idle" | "line" | "loading" | "later" | "ready" | "gone" | "large" | "failed"} state
 * @property {string | null} url of what was loaded
 * @property {number | null} percent while loading, when the size is known
 * @property {number | null} size in bytes
 * @property {number | null} again seconds until it is asked for again
 */

/** @type {FileState} */
const IDLE = { state: "idle", url: null, percent: null, size: null, again: null };

/** @typedef {import("../vendor/signals-core.js").Signal<FileState>} FileSignal */

/** Loads the files of messages. */
export class Files {
  /**
   * @param {object} about
   * @param {typeof fetch} [about.fetch]
   * @param {() => void} [about.onSignedOut]
   * @param {(run: () => void, ms: number) => unknown} [about.later]
   */
  constructor({
    fetch = globalThis.fetch.bind(globalThis),
    onSignedOut = () => {},
    later = (run, ms) => setTimeout(run, ms),
  } = {}) {
    this._fetch = fetch;
    this._onSignedOut = onSignedOut;
    this._later = later;
    /** @type {Map<string, FileSignal>} */
    this._states = new Map();
    /** @type {string[]} */
    this._line = [];
    /** @type {Map<string, number>} */
    this._tries = new Map();
    this._running = 0;
  }

  /**
   * What is known of a message's file.
   * @param {string} id
   * @returns {FileSignal}
   */
  of(id) {
    const known = this._states.get(id);
    if (known) return known;
    const made = signal(IDLE);
    this._states.set(id, made);
    return made;
  }

  /**
   * Somebody sees the file, or asks for it: it takes its place in the line.
   * @param {string} id
   */
  want(id) {
    const { state } = this.of(id).value;
    if (state !== "idle" && state !== "failed") return;
    if (state === "failed") this._tries.delete(id);
    this._set(id, { state: "line" });
    this._line.push(id);
    this._next();
  }

  /**
   * Nobody sees it any more: it leaves the line, unless it is being loaded.
   * @param {string} id
   */
  unwant(id) {
    if (this.of(id).value.state !== "line") return;
    this._line = this._line.filter((other) => other !== id);
    this._set(id, { state: "idle" });
  }

  _next() {
    while (this._running < AT_ONCE && this._line.length) {
      const id = /** @type {string} */ (this._line.shift());
      this._running += 1;
      this._load(id).finally(() => {
        this._running -= 1;
        this._next();
      });
    }
  }

  /** @param {string} id */
  async _load(id) {
    this._set(id, { state: "loading", percent: null });
    try {
      const answer = await this._fetch(`/messages/media/${id}`, { credentials: "same-origin" });
      if (answer.ok) await this._take(id, answer);
      else await this._refused(id, answer);
    } catch {
      this._again(id, null);
    }
  }

  /**
   * @param {string} id
   * @param {Response} answer
   */
  async _take(id, answer) {
    const length = Number(answer.headers.get("Content-Length")) || null;
    const parts = [];
    let read = 0;
    const reader = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (answer.body).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      read += value.length;
      if (length) this._set(id, { state: "loading", percent: Math.min(100, Math.floor((100 * read) / length)) });
    }
    const blob = new Blob(parts, { type: answer.headers.get("Content-Type") ?? "" });
    const state = this.of(id);
    this._states.delete(id);
    this._states.set(id, state); // the newest stands last
    this._set(id, { state: "ready", url: URL.createObjectURL(blob), size: read });
    this._forget();
  }

  /**
   * @param {string} id
   * @param {Response} answer
   */
  async _refused(id, answer) {
    if (answer.status === 401) this._onSignedOut();
    if (answer.status === 429 || answer.status >= 500) {
      this._again(id, Number(answer.headers.get("Retry-After")) || null);
      return;
    }
    const { code } = await answer.json().catch(() => ({ code: null }));
    this._set(id, { state: code === "media_too_large" ? "large" : answer.status === 404 ? "gone" : "failed" });
  }

  /**
   * @param {string} id
   * @param {number | null} seconds
   */
  _again(id, seconds) {
    const tries = (this._tries.get(id) ?? 0) + 1;
    this._tries.set(id, tries);
    if (tries >= TRIES) {
      this._set(id, { state: "failed" });
      return;
    }
    const wait = seconds ?? PAUSES[Math.min(tries, PAUSES.length) - 1];
    this._set(id, { state: "later", again: wait });
    this._later(() => {
      this._set(id, { state: "line" });
      this._line.push(id);
      this._next();
    }, wait * 1000);
  }

  /** The oldest files make room. */
  _forget() {
    const ready = [...this._states].filter(([, state]) => state.value.state === "ready");
    for (const [id, state] of ready.slice(0, Math.max(0, ready.length - KEPT))) {
      URL.revokeObjectURL(/** @type {string} */ (state.value.url));
      this._set(id, { state: "idle" });
    }
  }

  /**
   * @param {string} id
   * @param {Partial<FileState>} change
   */
  _set(id, change) {
    this.of(id).value = { ...IDLE, ...change };
  }
}
