import { complain } from "../look/Toast";
import { endSession, sessions } from "./calls";
import { ago, useLoaded } from "./useLoaded";

/** Where one is signed in. */
export function Sessions() {
  const { found, problem, reload } = useLoaded(sessions);
  return (
    <section className="panel" aria-labelledby="sessions">
      <h3 id="sessions">Signed in</h3>
      {problem && <p role="alert">{problem}</p>}
      <ul className="entries">
        {found?.map(({ id, user_agent, address, last_used_at, current }) => (
          <li key={id}>
            <div>
              <strong>{device(user_agent)}</strong>
              {current && <span className="badge">this browser</span>}
              <small>
                {address ? `${address} · ` : ""}
                used {ago(last_used_at)}
              </small>
            </div>
            {!current && (
              <button type="button" className="button small" onClick={() => void endSession(id).then(reload, complain)}>
                Sign out
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** `Firefox on Linux`, as far as the browser says. */
export function device(userAgent: string | null | undefined): string {
  if (!userAgent) return "Unknown browser";
  const browser = [
    ["Edg/", "Edge"],
    ["OPR/", "Opera"],
    ["Firefox/", "Firefox"],
    ["Chrome/", "Chrome"],
    ["Safari/", "Safari"],
  ].find(([mark]) => userAgent.includes(mark ?? ""))?.[1];
  const system = [
    ["Android", "Android"],
    ["iPhone", "iPhone"],
    ["iPad", "iPad"],
    ["Windows", "Windows"],
    ["Mac OS", "macOS"],
    ["Linux", "Linux"],
  ].find(([mark]) => userAgent.includes(mark ?? ""))?.[1];
  if (!browser) return userAgent.slice(0, 40);
  return system ? `${browser} on ${system}` : browser;
}
