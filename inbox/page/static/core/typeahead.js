import { plain } from "./text.js";

const TOGETHER = 700; // ms between letters of one word

/**
 * Letters that name an entry of a list, typed one after another: "am" is Amélie, and not the next entry with an m.
 * @param {() => number} now in ms
 */
export function createTypeahead(now = () => performance.now()) {
  let typed = "";
  let last = -Infinity;
  return {
    /** Whether a space belongs to a name that is being typed. */
    get isTyping() {
      return typed !== "" && now() - last < TOGETHER;
    },
    /**
     * The place of the entry that is meant; -1: none begins so. The same letter again goes to the next one.
     * @param {string} letter @param {readonly string[]} names @param {number} at the place where the focus is
     */
    to(letter, names, at) {
      const again = plain(letter);
      typed = this.isTyping && typed !== again ? typed + again : again;
      last = now();
      const from = typed === again ? at + 1 : at;
      const places = names.map((_, place) => (from + place + names.length) % names.length);
      return places.find((place) => plain(names[place]).startsWith(typed)) ?? -1;
    },
  };
}
