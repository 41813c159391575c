/** A TLS proxy as operators put before Weir: another name, a certificate of its own, and `X-Forwarded-*`. */

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request, type IncomingMessage } from "node:http";
import { createServer, type Server } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class Proxy {
  private constructor(private readonly server: Server) {}

  /** `name:port` with TLS, in front of what listens on `behind`. */
  static async start(name: string, port: number, behind: number): Promise<Proxy> {
    const server = createServer(certificate(name));
    const forwarded = ({ headers, socket }: IncomingMessage) => ({
      ...headers,
      "x-forwarded-for": socket.remoteAddress ?? "",
      "x-forwarded-proto": "https",
      "x-forwarded-host": headers.host ?? "",
    });
    server.on("request", (asked, answer) => {
      const { method = "GET", url = "/" } = asked;
      const passed = request({ host: "127.0.0.1", port: behind, method, path: url, headers: forwarded(asked) }, (response) => {
        answer.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(answer);
      });
      passed.on("error", () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
      answer.on("close", () => passed.destroy());
      asked.pipe(passed);
    });
    server.on("upgrade", (asked: IncomingMessage, client) => {
      const passed = connect(behind, "127.0.0.1", () => {
        const lines = Object.entries(forwarded(asked)).map(([name, value]) => `${name}: ${String(value)}`);
        passed.write([`GET ${asked.url ?? "/"} HTTP/1.1`, ...lines, "", ""].join("\r\n"));
        client.pipe(passed).pipe(client);
      });
      passed.on("error", () => client.destroy());
      client.on("error", () => passed.destroy());
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return new Proxy(server);
  }

  async end(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}

function certificate(name: string): { key: Buffer; cert: Buffer } {
  const directory = mkdtempSync(join(tmpdir(), "weir-tls-"));
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", cert, ...subject], { stdio: "ignore" });
  const pair = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(directory, { recursive: true });
  return pair;
}
