/** Choosing a name and a password, with the code of a link that counts once. */

import type { Me } from "@weir/client";
import { useState } from "react";
import { setUp } from "./calls";
import { Door, DoorForm, Field } from "./Door";

const LEAST_PASSWORD_CHARS = 10;

export function SetUp({ code, onEnter }: { code: string; onEnter(me: Me): void }) {
  const [given, setGiven] = useState(code);
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  return (
    <Door title="Welcome to Weir">
      <p className="door-lead">Choose what you will sign in with.</p>
      <DoorForm submit="Start" onSubmit={async () => onEnter(await setUp(given.trim(), name, password))}>
        {code === "" && (
          <Field
            label="Setup code"
            name="code"
            autoComplete="off"
            autoFocus
            required
            spellCheck={false}
            value={given}
            onChange={setGiven}
            hint="The end of the link that weir setup-link prints, after “code=”."
          />
        )}
        <Field label="Name" name="username" autoComplete="username" autoCapitalize="none" required autoFocus={code !== ""} value={name} onChange={setName} />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete="new-password"
          required
          minLength={LEAST_PASSWORD_CHARS}
          value={password}
          onChange={setPassword}
          hint={`${LEAST_PASSWORD_CHARS} characters at least. A few words in a row are good.`}
        />
      </DoorForm>
    </Door>
  );
}

/** Nobody can sign in yet, and who came has no link. */
export function SetUpNeeded() {
  return (
    <Door title="Weir is ready">
      <p className="door-lead">Nobody has an account here yet. On the server, print a link for the first one, and open it:</p>
      <pre className="door-command">
        <code>weir setup-link</code>
      </pre>
      <p className="door-note">
        The link counts once, and for a day. Have a code already? <a href="/setup">Enter it</a>.
      </p>
    </Door>
  );
}
