// A small application of two modules: routes by URL, state in the script's memory, JSON in and out.
import { Router } from "./router.js";

const notes = new Map(); // lives as long as this cell, and only there
let last = 0;

const json = (value, status = 200) =>
  new Response(`${JSON.stringify(value)}\n`, { status, headers: { "content-type": "application/json" } });

const router = new Router()
  .get("/", () => new Response("GET /notes, POST /notes, GET /notes/:id, GET /headers\n"))
  .get("/headers", (request) => json(Object.fromEntries(request.headers)))
  .get("/notes", () => json([...notes].map(([id, text]) => ({ id, text }))))
  .get("/notes/:id", (request, { id }) => {
    const text = notes.get(Number(id));
    return text === undefined ? json({ error: "no such note" }, 404) : json({ id: Number(id), text });
  })
  .post("/notes", async (request) => {
    const { text } = await request.json();
    notes.set(++last, String(text));
    return json({ id: last, text }, 201);
  });

export default {
  async fetch(request) {
    try {
      return (await router.handle(request)) ?? json({ error: "not found" }, 404);
    } catch (error) {
      return json({ error: error.message }, 400);
    }
  },
};
