// The shop's own backend, without dependencies: it serves the page, and signs a short-lived token for its customer.

import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const { PORT = "3000", WEIR_URL = "http://127.0.0.1:8080", SHOP_SECRET, TOKEN_SECONDS = "300" } = process.env;
if (!SHOP_SECRET) throw new Error("SHOP_SECRET is not set: the secret that Weir's configuration names, too");

function signed(customer) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "https://shop.example", aud: "weir", sub: customer, iat: now, nbf: now, exp: now + Number(TOKEN_SECONDS) };
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", SHOP_SECRET).update(text).digest("base64url")}`;
}

async function answer(path) {
  const [, module] = /^\/weir-client\/(\w+\.js)$/.exec(path) ?? [];
  if (module) return ["text/javascript", await readFile(new URL(`../../web/client/dist/src/${module}`, import.meta.url))];
  if (path === "/") return ["text/html", await readFile(new URL("index.html", import.meta.url))];
  if (path === "/settings.json") return ["application/json", JSON.stringify({ weir: WEIR_URL })];
  // Here a shop looks at its own session, to know who asks.
  if (path === "/weir-token") return ["text/plain", signed("customer-17")];
  throw new Error("not found");
}

createServer((request, response) => {
  answer(new URL(request.url, "http://shop").pathname).then(
    ([type, body]) => response.writeHead(200, { "Content-Type": type, "Cache-Control": "no-store" }).end(body),
    () => response.writeHead(404).end(),
  );
}).listen(Number(PORT), "127.0.0.1", () => console.log(`The shop: http://127.0.0.1:${PORT}`));
