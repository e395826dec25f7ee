/** The files of messages as a thread shows them. Each has its size before it is loaded, so that nothing moves (A4). */

import { t } from "../core/words.js";
import { Button, Dialog, html, Icon, useEffect, useRef, useState } from "../ui/index.js";
import { useApp } from "../inbox/context.js";
import { bytes, length } from "../inbox/figures.js";
import { Files } from "./loading.js";

/** @typedef {import("../core/types.js").Message} Message */
/** @typedef {import("./loading.js").FileState} FileState */

/** Those of the page. @type {Files | undefined} */
let files;

/** @returns {Files} */
function useFiles() {
  const { store } = useApp();
  files ??= new Files({ onSignedOut: () => (store.signedOut.value = true) });
  return files;
}

/**
 * The state of a message's file. `eager`: it is loaded as soon as somebody sees the element of `ref`.
 * @param {string} id of the message, with what `Files` takes behind it
 * @param {boolean} eager
 */
function useFile(id, eager) {
  const files = useFiles();
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  const [seen, setSeen] = useState(false);
  const state = files.of(id).value;
  useEffect(() => {
    if (!eager || !ref.current) return undefined;
    const watch = new IntersectionObserver(([entry]) => setSeen(entry.isIntersecting), { rootMargin: "200px" });
    watch.observe(ref.current);
    return () => watch.disconnect();
  }, [eager]);
  useEffect(() => {
    if (!eager) return undefined;
    if (seen && state.state === "idle") files.want(id);
    if (!seen) files.unwant(id);
    return undefined;
  }, [seen, eager, state.state, id]);
  useEffect(() => () => files.unwant(id), [id]);
  return { ref, state, load: () => files.want(id) };
}

/** @param {FileState} state */
function wordsOf(state) {
  switch (state.state) {
    case "line":
      return t("file.line");
    case "loading":
      return state.percent === null ? t("file.loading") : t("file.percent", { percent: state.percent });
    case "later":
      return t("file.later", { seconds: Math.ceil(state.again ?? 0) });
    case "gone":
      return t("file.gone");
    case "large":
      return t("file.large");
    case "failed":
      return t("file.failed");
    default:
      return "";
  }
}

/**
 * What stands in the place of a file that is not there yet, or never will be.
 * @param {{ state: FileState, icon: string, load: () => void }} props
 */
function Missing({ state, icon, load }) {
  return html`<span class="file-missing" data-state=${state.state}>
    <${Icon} name=${state.state === "gone" ? "hourglass" : icon} />
    <span>${wordsOf(state)}</span>
    ${state.state === "failed" && html`<${Button} little onClick=${load}>${t("file.again")}<//>`}
  </span>`;
}

/**
 * A picture; a click shows it whole.
 * @param {{ message: Message, text: string }} props
 */
export function Picture({ message, text }) {
  const { ref, state, load } = useFile(`${message.id}?size=small`, true);
  const whole = useFile(message.id, false);
  const [open, setOpen] = useState(false);
  const show = () => {
    whole.load();
    setOpen(true);
  };
  const alt = text || t("file.picture");
  return html`<div ref=${ref} class="file-picture">
    ${state.state === "ready"
      ? html`<button type="button" class="file-open" onClick=${show}
        aria-label=${t("file.show", { name: alt })}>
          <img src=${state.url} alt="" />
        </button>`
      : html`<${Missing} state=${state} icon="image" load=${load} />`}
    <${Dialog} open=${open} title=${t("file.picture")} class="file-whole" onClose=${() => setOpen(false)}
      actions=${whole.state.state === "ready" ? html`<${Save} message=${message} url=${whole.state.url} />` : wordsOf(whole.state)}>
      <img src=${whole.state.url ?? state.url} alt=${alt} />
    <//>
  </div>`;
}

/**
 * A sticker: a small picture without a bubble's ground.
 * @param {{ message: Message }} props
 */
export function Sticker({ message }) {
  const { ref, state, load } = useFile(message.id, true);
  return html`<div ref=${ref} class="file-sticker">
    ${state.state === "ready"
      ? html`<img src=${state.url} alt=${t("kind.sticker")} />`
      : html`<${Missing} state=${state} icon="sticker" load=${load} />`}
  </div>`;
}

/**
 * A film: loaded when somebody wants to see it.
 * @param {{ message: Message }} props
 */
export function Film({ message }) {
  const { state, load } = useFile(message.id, false);
  if (state.state === "ready") {
    return html`<div class="file-picture"><video src=${state.url} controls autoplay playsinline></video></div>`;
  }
  if (state.state === "idle") {
    return html`<div class="file-picture">
      <button type="button" class="file-play" onClick=${load} aria-label=${t("file.play.video")}><${Icon}
        name="play" /></button>
    </div>`;
  }
  return html`<div class="file-picture"><${Missing} state=${state} icon="video" load=${load} /></div>`;
}

const SPEEDS = [1, 1.5, 2];

/**
 * A voice message or another sound: play, place, length, speed.
 * @param {{ message: Message, voice: boolean }} props
 */
export function Voice({ message, voice }) {
  const { state, load } = useFile(message.id, false);
  const player = useRef(/** @type {HTMLAudioElement | null} */ (null));
  const [now, setNow] = useState({ playing: false, at: 0, length: 0 });
  const [speed, setSpeed] = useState(1);
  const wanted = useRef(false);
  useEffect(() => {
    if (state.state === "ready" && wanted.current) player.current?.play();
  }, [state.state]);
  const note = () => {
    const audio = player.current;
    if (!audio) return;
    const whole = Number.isFinite(audio.duration) ? audio.duration : 0;
    setNow({ playing: !audio.paused, at: audio.currentTime, length: whole });
  };
  const press = () => {
    wanted.current = true;
    if (state.state === "ready") {
      if (now.playing) player.current?.pause();
      else player.current?.play();
    } else load();
  };
  const faster = () => {
    const next = SPEEDS[(SPEEDS.indexOf(speed) + 1) % SPEEDS.length];
    setSpeed(next);
    const audio = player.current;
    if (audio) audio.defaultPlaybackRate = audio.playbackRate = next; // loading begins at the default
  };
  const broken = ["gone", "large", "later", "failed"].includes(state.state);
  if (broken) return html`<div class="file-voice"><${Missing} state=${state} icon="mic" load=${press} /></div>`;
  return html`<div class="file-voice">
    <button type="button" class="file-voice-play" onClick=${press}
      aria-label=${now.playing ? t("file.pause") : t("file.play.voice")}>
      <${Icon} name=${now.playing ? "pause" : "play"} />
    </button>
    <input
      type="range"
      min="0"
      max=${Math.max(1, now.length)}
      step="0.1"
      value=${now.at}
      disabled=${state.state !== "ready"}
      aria-label=${t("file.position")}
      aria-valuetext=${t("file.at", { at: length(now.at), length: length(now.length) })}
      onInput=${(/** @type {any} */ event) => {
        if (player.current) player.current.currentTime = Number(event.currentTarget.value);
      }}
    />
    <span class="file-voice-time">
      ${state.state === "ready"
        ? length(now.playing || now.at ? now.at : now.length)
        : wordsOf(state) || html`<${Icon} name=${voice ? "mic" : "volume-2"} />`}
    </span>
    <button type="button" class="file-voice-speed" onClick=${faster}
      aria-label=${t("file.speed", { speed })}>${speed}×</button>
    <audio
      ref=${player}
      src=${state.url}
      preload="auto"
      onTimeUpdate=${note}
      onLoadedMetadata=${note}
      onPlay=${note}
      onPause=${note}
      onEnded=${note}
    ></audio>
  </div>`;
}

/**
 * A document: its name, kind and size; a click loads it, then saves it.
 * @param {{ message: Message, name: any }} props
 */
export function Paper({ message, name }) {
  const { state, load } = useFile(message.id, false);
  const kind = kindOf(message);
  const calm = state.state === "idle" || state.state === "ready";
  const under = calm ? [kind, state.size && bytes(state.size)] : [wordsOf(state)];
  const failed = state.state === "failed";
  return html`<div class="file-paper">
    <span class="file-paper-icon"><${Icon} name="file-text" /></span>
    <span class="file-paper-about">
      <bdi class="file-paper-name">${name}</bdi>
      <span class="file-paper-kind">${under.filter(Boolean).join(" · ")}</span>
    </span>
    ${state.state === "ready"
      ? html`<${Save} message=${message} url=${state.url} />`
      : (state.state === "idle" || failed) &&
        html`<${Button} icon=${failed ? "rotate-ccw" : "download"} label=${failed ? t("file.again") : t("file.load")}
          onClick=${load} />`}
  </div>`;
}

/**
 * @param {{ message: Message, url: string | null }} props
 */
function Save({ message, url }) {
  const name = message.media_filename ?? `${message.message_type}-${message.id}`;
  return html`<${Button} icon="download" href=${url} download=${name}>${t("file.save")}<//>`;
}

/** @param {Message} message */
function kindOf(message) {
  const name = message.media_filename ?? "";
  const dot = name.lastIndexOf(".");
  if (dot > 0 && name.length - dot <= 6) return name.slice(dot + 1).toUpperCase();
  return (message.media_mime_type ?? "").split(";")[0].split("/").pop() ?? "";
}
