import { signal } from "../vendor/signals-core.js";

const RESTED = 60_000; // ms without input; the next is somebody who comes back

/**
 * What this tab knows of itself: whether it can be seen, has the focus, is online, and when somebody last did something.
 * @param {{now(): number}} clock @param {any} [page] the document @param {any} [view] the window
 */
export function createTab(clock, page = globalThis.document, view = globalThis.window) {
  const visible = signal(page.visibilityState === "visible");
  const focused = signal(page.hasFocus());
  const online = signal(view.navigator.onLine !== false);
  const lastInput = { value: clock.now() }; // not a signal: it moves with the pointer
  const woken = signal(0);
  /** @type {Set<() => void>} */
  const leaving = new Set();
  const looked = () => {
    visible.value = page.visibilityState === "visible";
    focused.value = page.hasFocus();
  };
  const used = () => {
    const rested = clock.now() - lastInput.value;
    lastInput.value = clock.now();
    if (rested > RESTED) woken.value += 1;
  };
  page.addEventListener("visibilitychange", () => {
    looked();
    if (visible.peek()) used();
    else leaving.forEach((fn) => fn());
  });
  view.addEventListener("pagehide", () => leaving.forEach((fn) => fn()));
  for (const name of ["focus", "blur", "pageshow"]) view.addEventListener(name, looked);
  for (const name of ["online", "offline"]) view.addEventListener(name, () => (online.value = name === "online"));
  for (const name of ["pointerdown", "keydown", "wheel", "touchstart", "pointermove"]) {
    view.addEventListener(name, used, { passive: true, capture: true });
  }
  return {
    visible,
    focused,
    online,
    lastInput,
    woken,
    /** The page may end after this: hidden, or left. @param {() => void} fn @returns {() => void} */
    onLeaving(fn) {
      leaving.add(fn);
      return () => leaving.delete(fn);
    },
  };
}

/** @typedef {ReturnType<typeof createTab>} Tab */
