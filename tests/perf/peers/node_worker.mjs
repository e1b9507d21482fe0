// Serves a script of the Workers kind from Node.js, whose HTTP server knows no Request and no Response.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import script from "SCRIPT";

createServer({ cert: readFileSync("CERT"), key: readFileSync("KEY") }, async (request, response) => {
  const answer = await script.fetch(new Request(`https://${request.headers.host}${request.url}`, { method: request.method, headers: request.headers }), {}, {});
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(new Uint8Array(await answer.arrayBuffer()));
}).listen(8446, "ADDRESS");
