import { ago } from "../account/useLoaded";

/** Until when one can decide. */
export function Expiry({ at }: { at: string }) {
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {Date.parse(at) > Date.now() ? `expires ${ago(at)}` : "has expired"}
    </time>
  );
}
