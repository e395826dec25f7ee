/* The service worker. It shows notifications and leads back to their conversation. It answers no request of the page:
   a worker that does can keep an old page alive. */
"use strict";

addEventListener("install", () => skipWaiting());
addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(clients.claim()));

addEventListener("notificationclick", (/** @type {any} */ event) => {
  event.notification.close();
  event.waitUntil(lead(event.notification.data?.path ?? "/inbox"));
});

/**
 * Shows `path` in a window that is open, or in a new one.
 * @param {string} path
 */
async function lead(path) {
  const open = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const inbox = open.find((/** @type {any} */ each) => new URL(each.url).pathname.startsWith("/inbox"));
  if (!inbox) return clients.openWindow(path);
  inbox.postMessage({ open: path }); // the page goes there itself, without a reload: what is being written stays
  return inbox.focus();
}
