import script from "SCRIPT";

Deno.serve(
  { hostname: "ADDRESS", port: 8444, cert: Deno.readTextFileSync("CERT"), key: Deno.readTextFileSync("KEY") },
  (request) => script.fetch(request),
);
