/* Watches whether the page's modules arrive. A classic script: it has to run where they do not. */
(function () {
  "use strict";
  var LATE = 15000; // milliseconds without a sign of life
  function sayLate() {
    const late = document.getElementById("late"), app = document.getElementById("app");
    if (!late || !app || "ready" in document.documentElement.dataset) return;
    late.hidden = !(app.hidden = true);
    // What comes late comes all the same.
    const come = new MutationObserver(function () { late.hidden = !(app.hidden = false); });
    come.observe(document.documentElement, { attributeFilter: ["data-ready"] });
  }
  addEventListener("error", function (event) {
    if (!(event.target instanceof Element)) return; // an error of code; a file that did not come has an element
    if (event.target.tagName !== "SCRIPT" && event.target.tagName !== "LINK") return;
    if (document.readyState === "loading") addEventListener("DOMContentLoaded", sayLate);
    else sayLate();
  }, true);
  setTimeout(sayLate, LATE);
})();
