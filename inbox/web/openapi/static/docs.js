"use strict";

// The browser knows where this page is; what a request says of it could be anybody's, and the answer is cached for all.
document.getElementById("origin").textContent = window.location.origin;

const place = document.getElementById("operations");

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.document,
  validatorUrl: null, // the document is nobody else's business
  supportedSubmitMethods: ["get"], // to look is safe; to send a customer a message by a stray click is not
  deepLinking: true,
  docExpansion: "none", // it draws no more than about 130 operations at once
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
});
