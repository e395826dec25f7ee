/** The people and the labels of a number: asked for once, and again when something unknown is met. */

import { signal } from "../ui/index.js";

const KEPT = 5 * 60_000; // ms

/** @typedef {{ id: string, name: string | null, email: string | null }} Person */
/** @typedef {{ id: string, account_id: string, name: string, color: number }} Label */
/** @typedef {import("../more/contact.js").Detail} Detail */

/**
 * A list of the open number that is read when it is needed.
 * @template {{ id: string }} T
 */
class Kept {
  /** @param {import("../core/api.js").Api} api @param {(accountId: string) => string} path */
  constructor(api, path) {
    this.api = api;
    this.path = path;
    /** Rows by account. */
    this.rows = signal(/** @type {Map<string, T[]>} */ (new Map()));
    /** @type {Map<string, number>} */
    this.asked = new Map();
  }

  /** What is known of an account; asks when nothing is, or when it is old. @param {string} accountId */
  of(accountId) {
    const asked = this.asked.get(accountId);
    if (asked === undefined || performance.now() - asked > KEPT) this.load(accountId);
    return this.rows.value.get(accountId) ?? [];
  }

  /** Whether all has been said about an account, or could not be; asks as `of`. @param {string} accountId */
  known(accountId) {
    this.of(accountId);
    return this.rows.value.has(accountId);
  }

  /** @param {string} accountId */
  async load(accountId) {
    this.asked.set(accountId, performance.now());
    try {
      const { body } = await this.api.get(this.path(accountId));
      this.rows.value = new Map(this.rows.peek()).set(accountId, body);
    } catch {
      this.asked.delete(accountId); // whoever needs it next asks again
      if (!this.rows.peek().has(accountId)) this.rows.value = new Map(this.rows.peek()).set(accountId, []); // nobody waits for it
    }
  }

  /** One of them; asks once more when it is not known, since it may be new. @param {string} accountId @param {string} id */
  find(accountId, id) {
    const found = this.of(accountId).find((each) => each.id === id);
    const known = this.rows.peek().has(accountId);
    if (!found && known && performance.now() - (this.asked.get(accountId) ?? 0) > 10_000) this.load(accountId);
    return found;
  }
}

/** @param {import("../core/api.js").Api} api */
export function createTeam(api) {
  return {
    /** @type {Kept<Person>} */
    people: new Kept(api, (id) => `/accounts/${id}/people`),
    /** @type {Kept<Label>} */
    labels: new Kept(api, (id) => `/accounts/${id}/labels`),
    /** @type {Kept<Detail>} */
    details: new Kept(api, (id) => `/accounts/${id}/contact-fields`),
  };
}

/** @typedef {ReturnType<typeof createTeam>} Team */

/** How a person is called. @param {Person | undefined} person */
export const calledOf = (person) => person?.name || person?.email || "";
