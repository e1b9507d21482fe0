const { readFileSync } = require("node:fs");

require("node:https")
  .createServer({ cert: readFileSync("CERT"), key: readFileSync("KEY") }, (request, response) => {
    response.writeHead(200, { "content-type": "text/plain" });
    response.end("Hello, world!\n");
  })
  .listen(8443, "ADDRESS");
