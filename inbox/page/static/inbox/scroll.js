/**
 * Keeps a thread where its reader left it (complaints A1 to A6): whatever changes above, below or inside, the first
 * visible entry stays at its place, and who reads the end follows it. Where the browser anchors by itself this finds
 * little to do; it follows the end, and does all of it for Safari.
 *
 * Entries are found by `data-key`. A thread keeps its place while somebody reads another one.
 */

/** Pixels from the end within which a reader counts as being there. */
export const NEAR = 48;

/** Browsers that anchor by themselves have done it before we look; Safari leaves it to us. */
const NATIVE = CSS.supports("overflow-anchor", "auto");

/** @typedef {{ key: string, offset: number } | "end"} Anchor */

/**
 * Follows one scrolled element.
 *
 * `onMove` is told where the reader is after each scroll and change. Call `release` when the element goes.
 */
export class Scroller {
  /**
   * @param {HTMLElement} box the element that scrolls
   * @param {HTMLElement} content what grows inside it
   * @param {(where: { atEnd: boolean, above: number, below: number }) => void} onMove pixels hidden above and below
   */
  constructor(box, content, onMove) {
    this._box = box;
    this._content = content;
    this._onMove = onMove;
    /** @type {Anchor} */
    this.anchor = "end";
    this._top = 0; // where the box was, and how high its content, when the reader's place was last noted
    this._height = 0;
    this._following = new ResizeObserver(() => this.restore());
    this._following.observe(box);
    this._following.observe(content);
    this._scrolled = () => this.note();
    box.addEventListener("scroll", this._scrolled, { passive: true });
  }

  release() {
    this._following.disconnect();
    this._box.removeEventListener("scroll", this._scrolled);
  }

  /** Pixels between what is seen and the end. */
  get below() {
    return this._box.scrollHeight - this._box.clientHeight - this._box.scrollTop;
  }

  get atEnd() {
    return this.below <= NEAR;
  }

  /** The reader has moved: remember what they see. */
  note() {
    if (this._box.scrollHeight !== this._height) this._keep(this._box.scrollTop - this._top);
    this.anchor = this.atEnd ? "end" : this._firstSeen();
    this._tell();
  }

  /**
   * The content has changed together with the place: this may tell of nothing but our own move before.
   * @param {number} moved pixels since the place was noted
   */
  _keep(moved) {
    if (this.anchor === "end" && moved >= 0) this.restore();
    else if (this.anchor !== "end" && !NATIVE) {
      this.restore();
      this._box.scrollTop += moved;
    }
  }

  /** Something has changed: show again what was seen. Runs between layout and paint, so nobody sees it move. */
  restore() {
    const wanted = this._wanted();
    if (wanted !== null && Math.abs(this._box.scrollTop - wanted) >= 1) this._box.scrollTop = wanted;
    this._tell();
  }

  /**
   * Place the thread: at its end, or with an entry at a height. False when that entry is not in the document.
   * @param {Anchor} anchor
   */
  place(anchor) {
    if (anchor !== "end" && !this._entry(anchor.key)) return false;
    this.anchor = anchor;
    this.restore();
    return true;
  }

  /** Stay at what is seen, also at the end: the reader goes somewhere else in a moment. */
  hold() {
    this.anchor = this._firstSeen();
  }

  /** Go to the end: gently within one screen, else at once. */
  toEnd() {
    this.anchor = "end";
    const smooth = this.below < this._box.clientHeight && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this._box.scrollTo({ top: this._box.scrollHeight, behavior: smooth ? "smooth" : "instant" });
  }

  /**
   * Bring an entry to the upper third. False when it is not in the document.
   * @param {string} key
   */
  toEntry(key) {
    return this.place({ key, offset: Math.round(this._box.clientHeight / 3) });
  }

  _wanted() {
    if (this.anchor === "end") return this._box.scrollHeight - this._box.clientHeight;
    const entry = this._entry(this.anchor.key);
    if (!entry) return null;
    return entry.offsetTop - this.anchor.offset;
  }

  /** @param {string} key */
  _entry(key) {
    return /** @type {HTMLElement | null} */ (this._content.querySelector(`[data-key="${CSS.escape(key)}"]`));
  }

  /** @returns {Anchor} */
  _firstSeen() {
    const entries = /** @type {NodeListOf<HTMLElement>} */ (this._content.querySelectorAll("[data-key]"));
    const top = this._box.scrollTop;
    let low = 0;
    let high = entries.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (entries[middle].offsetTop + entries[middle].offsetHeight > top) high = middle;
      else low = middle + 1;
    }
    const seen = entries[low];
    return seen ? { key: seen.dataset.key ?? "", offset: seen.offsetTop - top } : "end";
  }

  _tell() {
    this._top = this._box.scrollTop;
    this._height = this._box.scrollHeight;
    this._onMove({ atEnd: this.atEnd, above: this._box.scrollTop, below: this.below });
  }
}
