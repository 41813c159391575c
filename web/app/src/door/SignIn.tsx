import type { Me } from "@weir/client";
import { useState } from "react";
import { signIn } from "./calls";
import { Door, DoorForm, Field } from "./Door";

export function SignIn({ onEnter }: { onEnter(me: Me): void }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  return (
    <Door title="Sign in to Weir">
      <DoorForm submit="Sign in" onSubmit={async () => onEnter(await signIn(name, password))}>
        <Field label="Name" name="username" autoComplete="username" autoCapitalize="none" required autoFocus value={name} onChange={setName} />
        <Field label="Password" name="password" type="password" autoComplete="current-password" required value={password} onChange={setPassword} />
      </DoorForm>
      <p className="door-note">
        No account, or no password? Whoever runs this server prints a link with <code>weir setup-link</code>.
      </p>
    </Door>
  );
}
