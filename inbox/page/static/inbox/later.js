/**
 * The dialogs that write more than a text. They come when somebody first asks for one, with their words and their looks:
 * most pages are opened and closed without.
 */

import { loadWords, t } from "../core/words.js";
import { html, toast, useEffect, useState } from "../ui/index.js";
import { useApp } from "./context.js";

/** @typedef {{ Writing: any, limits: import("../writing/form.js").Limits }} Part */

/** @type {Promise<Part> | null} */
let loading = null;

/** @param {string} lang @returns {Promise<Part>} */
async function load(lang) {
  const own = [`writing-${lang}`, "limits"].map((name) => import(`../words/${name}.js`));
  const [{ Writing }, words, limits] = await Promise.all([import("../writing/main.js"), ...own, looks()]);
  loadWords(lang, words.default);
  return { Writing, limits: limits.default };
}

function looks() {
  const link = document.createElement("link");
  const done = new Promise((loaded, failed) => Object.assign(link, { onload: loaded, onerror: failed }));
  link.rel = "stylesheet";
  link.href = new URL("../style/writing.css", import.meta.url).href;
  document.head.append(link);
  return done;
}

/** @param {{ conversation: import("../core/types.js").Conversation }} props */
export function Later({ conversation }) {
  const { boot, panels } = useApp();
  const [part, setPart] = useState(/** @type {Part | null} */ (null));
  const which = panels.dialog.value;
  const wanted = part === null && which !== null && which !== "palette" && which !== "help";
  useEffect(() => {
    if (!wanted) return;
    loading ??= load(boot.lang);
    loading.then(setPart, () => {
      loading = null; // the next one who asks tries again
      panels.closeDialog();
      toast(t("composer.not_loaded"));
    });
  }, [wanted]);
  return part && html`<${part.Writing} conversation=${conversation} limits=${part.limits} />`;
}
