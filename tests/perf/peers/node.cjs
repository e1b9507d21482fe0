const { readFileSync } = require("node:fs");

require("node:https")
  .createServer({ cert: readFileSync("CERT"), key: readFileSync("KEY") }, (request, response) => {
    response.writeHead(200, { "content-type": "text/plain" });
    if (request.method !== "POST") return response.end("Hello, world!\n");
    let bytes = 0;
    request.on("data", (piece) => (bytes += piece.length)).on("end", () => response.end(`${bytes}\n`));
  })
  .listen(8443, "ADDRESS");
