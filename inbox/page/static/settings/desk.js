/** What every part of the settings and of the profile's editor is given. */

import { createApi, Unreachable } from "../core/api.js";
import { createServerTime, createTimes } from "../core/time.js";
import { loadWords, problemText, t } from "../core/words.js";
import { createContext, signal, toast, useContext, useEffect, useState } from "../ui/index.js";

/** The page's data, words and calls. */
export async function createDesk() {
  const boot = JSON.parse(document.getElementById("boot")?.textContent ?? "{}");
  const [common, own] = await Promise.all([import(`../words/${boot.lang}.js`), import(`../words/settings-${boot.lang}.js`)]);
  loadWords(boot.lang, { ...common.default, ...own.default });
  const time = createServerTime();
  time.begin(boot.now);
  const signedOut = signal(false);
  const api = createApi({
    csrf: boot.csrf,
    userId: boot.me.id,
    time,
    onSignedOut: () => (signedOut.value = true),
    onSomebodyElse: () => location.reload(),
  });
  const lang = navigator.languages.find((each) => each.split("-")[0] === boot.lang) ?? boot.lang;
  return {
    boot,
    api,
    signedOut,
    /** Somebody signed in over this page: go on; with another person it is loaded anew. */
    async signedIn() {
      if (await api.renew()) signedOut.value = false;
    },
    times: createTimes({ lang, now: time.now }),
    me: signal(boot.me),
    preferences: signal(boot.me.preferences ?? {}),
    /**
     * Whether the reader may do something: to a number, or without one to the whole installation.
     * @param {string} permission @param {string|null} [account]
     */
    may(permission, account = null) {
      const { accounts, global } = boot.me.permissions;
      return ((account !== null && accounts[account]) || global).includes(permission);
    },
  };
}

/** @typedef {Awaited<ReturnType<typeof createDesk>>} Desk */

const Shared = createContext(/** @type {Desk | null} */ (null));

export const DeskProvider = Shared.Provider;

/** @returns {Desk} */
export function useDesk() {
  return /** @type {Desk} */ (useContext(Shared));
}

/** Why a call came to nothing, in the reader's language. @param {any} error */
export const whyNot = (error) => (error instanceof Unreachable ? t("settings.unreachable") : problemText(error));

/**
 * Rows of a list of the API, all its pages; null while they come.
 * @param {string | null} path
 * @returns {{ rows: any[] | null, trouble: string | null, reload: () => Promise<void>, set: (rows: any[]) => void }}
 */
export function useRows(path) {
  const { api, signedOut } = useDesk();
  const [rows, set] = useState(/** @type {any[] | null} */ (null));
  const [trouble, setTrouble] = useState(/** @type {string | null} */ (null));
  const reload = async () => {
    if (path === null) return;
    try {
      /** @type {any[]} */
      let all = [];
      for (let next = /** @type {string | null} */ (path); next && all.length < 1000; ) {
        const answer = await api.get(next);
        all = [...all, ...answer.body];
        next = answer.link.next;
      }
      set(all);
      setTrouble(null);
    } catch (error) {
      setTrouble(whyNot(error));
    }
  };
  useEffect(() => {
    set(null);
    reload();
  }, [path]);
  useEffect(() => {
    if (!signedOut.value && trouble !== null) reload();
  }, [signedOut.value]);
  return { rows, trouble, reload, set };
}

/**
 * A call that a form or a button makes: whether it is under way, and what is wrong with which field.
 * @returns {{ busy: boolean, trouble: string | null, errors: Record<string, string>, clear: () => void,
 *   run: (call: () => Promise<any>, done?: string | null) => Promise<any> }}
 */
export function useCall() {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState(/** @type {string | null} */ (null));
  const [errors, setErrors] = useState(/** @type {Record<string, string>} */ ({}));
  const clear = () => {
    setTrouble(null);
    setErrors({});
  };
  const run = async (/** @type {() => Promise<any>} */ call, /** @type {string | null} */ done = null) => {
    setBusy(true);
    clear();
    try {
      const answer = await call();
      if (done !== null) toast(done);
      return answer ?? true;
    } catch (error) {
      const found = errorsOf(error);
      setErrors(found);
      setTrouble(Object.keys(found).length ? null : whyNot(error));
      return null;
    } finally {
      setBusy(false);
    }
  };
  return { busy, trouble, errors, clear, run };
}

/** What is wrong with each field, all of it, by its JSON pointer. @param {any} error @returns {Record<string, string>} */
export function errorsOf(error) {
  /** @type {Record<string, string>} */
  const found = {};
  for (const { pointer, problem } of error?.errors ?? []) found[pointer] = found[pointer] ? `${found[pointer]} ${problem}` : problem;
  return found;
}
