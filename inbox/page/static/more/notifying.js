/** Tells of what happens while nobody looks at the page. */

import { createNotifier } from "../core/notify.js";
import { playSound } from "../core/sound.js";
import { t } from "../core/words.js";
import { nameOf, whyPerson } from "../inbox/row.js";

/** @param {import("../inbox/context.js").App} app */
export function beginToNotify({ leader, places, preferences, store, tab }) {
  const notifier = createNotifier({
    store,
    leader,
    tab,
    wishes: () => ({ me: store.me.value.id, choice: preferences.value.notify ?? "mine", text: preferences.value.notify_text === true }),
    words: (kind, row, withText) => ({
      title: nameOf(row),
      body: kind === "person" ? whyPerson(row) : withText ? (row.last_message ?? "") : t("notify.message"),
    }),
    sound: () => {
      if (preferences.value.sound) playSound().catch(() => {}); // a page that nobody has clicked in stays silent
    },
  });
  const looks = () => notifier.looks(document.visibilityState === "visible" && document.hasFocus());
  for (const name of ["focus", "blur", "visibilitychange"]) addEventListener(name, looks, true);
  looks();
  navigator.serviceWorker?.addEventListener("message", ({ data }) => {
    const id = /^\/inbox\/([0-9a-f-]{36})$/.exec(data?.open ?? "")?.[1];
    if (id) places.open(id);
  });
}
