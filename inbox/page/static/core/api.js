import { signal } from "../vendor/signals-core.js";
import { inWords } from "./fields.js";

export const LIMIT = 10_000; // ms for an answer
const CSRF = "X-CSRF-Token";

/** The server answered no. `problem` is its whole problem+json, with what a code adds. */
export class Refused extends Error {
  /** @param {number} status @param {Record<string, any>} problem @param {number|null} retryAfter ms */
  constructor(status, problem, retryAfter) {
    super(problem.title ?? `HTTP ${status}`);
    this.name = "Refused";
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
    /** @type {string} */
    this.code = problem.code ?? `http_${status}`;
    /** @type {string} */
    this.title = problem.title ?? "";
    /** @type {string} */
    this.detail = problem.detail ?? "";
    /** @type {import("./fields.js").FieldError[]} in the reader's language */
    this.errors = problem.errors ?? [];
  }

  /** My rights do not reach so far, or not any more. */
  get denied() {
    return this.code === "permission_denied";
  }

  /** Asking again later may help, and the caller's request need not change. */
  get passing() {
    return this.status >= 500 || this.status === 429 || this.status === 408 || this.status === 425;
  }
}

/** No answer came: no network, no server, or too late. Whether the request was acted on is unknown. */
export class Unreachable extends Error {
  /** @param {unknown} cause */
  constructor(cause) {
    super("no answer", { cause });
    this.name = "Unreachable";
  }
}

/**
 * @typedef {object} Options
 * @property {number} [limit] ms
 * @property {AbortSignal} [signal]
 * @property {boolean} [keepalive] goes on when the page is left
 * @property {Record<string, string>} [headers]
 */

/** @typedef {{status: number, body: any, headers: Headers, link: {next: string|null, prev: string|null}}} Answer */

/**
 * Calls of our own API. Every call ends: with an answer, `Refused` or `Unreachable`.
 * @param {object} options
 * @param {string} options.csrf
 * @param {string} [options.userId] who the page belongs to
 * @param {typeof fetch} [options.fetch]
 * @param {{measure(server: number, sentAt: number, receivedAt: number): void}} [options.time]
 * @param {() => void} [options.onSignedOut] a call was answered 401
 * @param {() => void} [options.onDenied] a call was answered that I may not do this
 * @param {() => void} [options.onSomebodyElse] the session is another person's now
 */
export function createApi({
  csrf,
  userId,
  fetch: ask = (...args) => globalThis.fetch(...args),
  time,
  onSignedOut,
  onDenied,
  onSomebodyElse,
}) {
  let token = csrf;
  const pending = signal(0);

  /**
   * @param {string} method @param {string} path @param {any} body @param {Options} options @returns {Promise<Answer>}
   */
  async function once(method, path, body, options) {
    const abort = new AbortController();
    const stop = () => abort.abort();
    const timer = setTimeout(stop, options.limit ?? LIMIT);
    options.signal?.addEventListener("abort", stop, { once: true });
    if (options.signal?.aborted) stop();
    const sentAt = performance.now();
    pending.value += 1;
    try {
      const response = await ask(path, {
        method,
        headers: {
          Accept: "application/json",
          ...(method === "GET" ? {} : { [CSRF]: token }),
          ...json(body),
          ...options.headers,
        },
        body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
        signal: abort.signal,
        keepalive: options.keepalive,
        credentials: "same-origin",
        cache: method === "GET" ? "no-cache" : "no-store",
      });
      const receivedAt = performance.now();
      const parsed = await read(response);
      measure(response, parsed, sentAt, receivedAt);
      if (!response.ok) {
        const problem = parsed?.errors ? { ...parsed, errors: await inWords(parsed.errors, abort.signal) } : parsed;
        throw new Refused(response.status, problem ?? {}, retryAfter(response));
      }
      return {
        status: response.status,
        body: parsed,
        headers: response.headers,
        link: linksOf(response.headers.get("Link")),
      };
    } catch (error) {
      throw error instanceof Refused ? error : new Unreachable(error);
    } finally {
      pending.value -= 1;
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", stop);
    }
  }

  /** @param {Response} response @param {any} body @param {number} sentAt @param {number} receivedAt */
  function measure(response, body, sentAt, receivedAt) {
    if (body?.now) return time?.measure(Date.parse(body.now), sentAt, receivedAt);
    const said = response.headers.get("Date"); // whole seconds: half a second of doubt more
    if (said) time?.measure(Date.parse(said) + 500, sentAt - 1000, receivedAt);
  }

  /**
   * @param {string} method @param {string} path @param {any} [body] @param {Options} [options]
   * @returns {Promise<Answer>}
   */
  async function call(method, path, body, options = {}) {
    try {
      return await once(method, path, body, options);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 401) onSignedOut?.();
      if (error.denied) onDenied?.();
      if (error.code !== "csrf_failed" || !(await renew())) throw error;
      return once(method, path, body, options);
    }
  }

  /**
   * Learn the token of the session that began meanwhile, in another tab or over this page.
   * @returns {Promise<boolean>}
   */
  async function renew() {
    const { body } = await once("GET", "/auth/me", undefined, {});
    if (userId !== undefined && body.id !== userId) {
      onSomebodyElse?.();
      return false;
    }
    token = body.csrf_token ?? "";
    return true;
  }

  return {
    /** How many calls are under way. */
    pending,
    renew,
    /** @param {string} path @param {Record<string, any>} [query] @param {Options} [options] */
    get: (path, query, options) => call("GET", address(path, query), undefined, options),
    /** @param {string} path @param {any} [body] @param {Options} [options] */
    post: (path, body, options) => call("POST", path, body, options),
    /** @param {string} path @param {any} [body] @param {Options} [options] */
    put: (path, body, options) => call("PUT", path, body, options),
    /** @param {string} path @param {any} [body] @param {Options} [options] */
    patch: (path, body, options) => call("PATCH", path, body, options),
    /** @param {string} path @param {any} [body] @param {Options} [options] */
    del: (path, body, options) => call("DELETE", path, body, options),
  };
}

/** @typedef {ReturnType<typeof createApi>} Api */

/** @param {any} body @returns {Record<string, string>} */
function json(body) {
  if (body instanceof Blob) return { "Content-Type": "application/octet-stream" };
  return body === undefined ? {} : { "Content-Type": "application/json" };
}

/**
 * A path with its query; what is undefined or null is left out.
 * @param {string} path @param {Record<string, any>} [query]
 */
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  if (given.length === 0) return path;
  const written = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return `${path}${path.includes("?") ? "&" : "?"}${written}`;
}

/**
 * What an answer holds. A refusal may be a proxy's, without words of ours; an answer that cannot be read is none.
 * @param {Response} response @returns {Promise<any>}
 */
async function read(response) {
  if (response.status === 204 || !/json/.test(response.headers.get("Content-Type") ?? "")) return null;
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch (error) {
    if (response.ok) throw error;
    return null;
  }
}

/** Milliseconds that a refusal asks to wait. @param {Response} response @returns {number|null} */
function retryAfter(response) {
  const said = response.headers.get("Retry-After");
  if (said === null) return null;
  const seconds = Number(said);
  const ms = Number.isNaN(seconds) ? Date.parse(said) - Date.now() : seconds * 1000;
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

/** @param {string|null} header @returns {{next: string|null, prev: string|null}} */
export function linksOf(header) {
  /** @type {{next: string|null, prev: string|null}} */
  const found = { next: null, prev: null };
  for (const [, url, name] of (header ?? "").matchAll(/<([^>]*)>\s*;\s*rel="?(next|prev)"?/g)) {
    found[/** @type {"next"|"prev"} */ (name)] = url;
  }
  return found;
}
