import { useState, type FormEvent } from "react";
import { complain } from "../look/Toast";
import { inWords } from "../server";
import { createKey, keys, revokeKey, type Key } from "./calls";
import { Revoke } from "./Revoke";
import { ago, useLoaded } from "./useLoaded";

const DAY = 86_400_000;

/** The keys of one's programs. A secret is shown once, when it is made. */
export function ApiKeys({ userId }: { userId: string }) {
  const { found, problem, reload } = useLoaded(keys);
  const [made, setMade] = useState<{ key: Key; secret: string }>();
  const shown = found?.filter(({ revoked_at }) => !revoked_at).reverse();
  return (
    <section className="panel" aria-labelledby="api-keys">
      <h3 id="api-keys">API keys</h3>
      {problem && <p role="alert">{problem}</p>}
      {made && <Secret name={made.key.name} secret={made.secret} />}
      <ul className="entries">
        {shown?.map((key) => (
          <li key={key.id}>
            <div>
              <strong>{key.name}</strong>
              {key.user_id !== userId && <span className="badge">of someone else</span>}
              <small>
                <code>{key.prefix}…</code> · made {ago(key.created_at)}
                {key.last_used_at ? ` · used ${ago(key.last_used_at)}` : " · never used"}
                {key.expires_at ? ` · expires ${new Date(key.expires_at).toLocaleDateString()}` : ""}
              </small>
            </div>
            <Revoke
              name={key.name}
              onRevoke={() =>
                void revokeKey(key.id).then(() => {
                  if (made?.key.id === key.id) setMade(undefined);
                  reload();
                }, complain)
              }
            />
          </li>
        ))}
      </ul>
      <NewKey
        onMade={(made) => {
          setMade(made);
          reload();
        }}
      />
    </section>
  );
}

function Secret({ name, secret }: { name: string; secret: string }) {
  const [isCopied, setCopied] = useState(false);
  return (
    <div className="secret" role="status">
      <p>The key “{name}”. Copy it now: it is not shown again.</p>
      <div>
        <input readOnly aria-label="The new API key" value={secret} onFocus={(event) => event.target.select()} />
        {navigator.clipboard && (
          <button type="button" className="button small" onClick={() => void navigator.clipboard.writeText(secret).then(() => setCopied(true))}>
            {isCopied ? "Copied" : "Copy"}
          </button>
        )}
      </div>
    </div>
  );
}

function NewKey({ onMade }: { onMade(made: { key: Key; secret: string }): void }) {
  const [name, setName] = useState("");
  const [days, setDays] = useState("90");
  const [problem, setProblem] = useState<string>();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const expires = days === "" ? undefined : new Date(Date.now() + Number(days) * DAY);
    createKey(name.trim(), expires).then(
      (made) => {
        setName("");
        setProblem(undefined);
        onMade(made);
      },
      (error: unknown) => setProblem(inWords(error)),
    );
  };
  return (
    <form className="new-key" onSubmit={submit}>
      <input aria-label="Name of a new key" placeholder="Name of a new key" required maxLength={100} value={name} onChange={(event) => setName(event.target.value)} />
      <select aria-label="Counts for" value={days} onChange={(event) => setDays(event.target.value)}>
        <option value="30">30 days</option>
        <option value="90">90 days</option>
        <option value="365">a year</option>
        <option value="">for ever</option>
      </select>
      <button type="submit" className="button small primary">
        Make a key
      </button>
      {problem && (
        <p role="alert" className="form-error">
          {problem}
        </p>
      )}
    </form>
  );
}
