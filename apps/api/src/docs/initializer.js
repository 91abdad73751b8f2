// Beside the page, not in it: its Content-Security-Policy allows no inline script.
globalThis.SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#viewer',
  deepLinking: true,
  displayOperationId: true,
  // Nothing is asked of other servers.
  validatorUrl: null,
});
