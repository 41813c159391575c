/** What Chromium wrote with `--log-net-log`: also what is no request of a page, such as a connection that is prepared. */

import { readFileSync } from "node:fs";

interface NetLog {
  constants: { logEventTypes: Record<string, number> };
  events: { type: number; params?: { host?: string } }[];
}

/** Of its maker: no flag keeps it from looking these up when it starts. */
const ITS_OWN = /\.(?:google|googleapis)\.com$/;

/** The names that were looked up, once each. Addresses and this machine need no look-up. */
export function hostsLookedUp(file: string): string[] {
  const { constants, events } = JSON.parse(readFileSync(file, "utf8")) as NetLog;
  const lookUps = Object.entries(constants.logEventTypes).filter(([name]) => name.startsWith("HOST_RESOLVER"));
  const types = new Set(lookUps.map(([, type]) => type));
  const asked = events.filter(({ type }) => types.has(type)).flatMap(({ params }) => params?.host ?? []);
  const names = asked.map((host) => host.replace(/^[a-z]+:\/\//, "").replace(/:\d+$/, ""));
  return [...new Set(names)].filter((name) => !/^[\d.]+$|^\[|^localhost$/.test(name) && !ITS_OWN.test(name)).sort();
}
