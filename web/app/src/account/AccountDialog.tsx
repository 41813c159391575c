import type { Me } from "@weir/client";
import { Dialog } from "../look/Dialog";
import { ApiKeys } from "./ApiKeys";
import { Memories } from "./Memories";
import { Rules } from "./Rules";
import { Sessions } from "./Sessions";

export function AccountDialog({ me, onClose }: { me: Me; onClose(): void }) {
  return (
    <Dialog title={me.user.name} size="large" onClose={onClose}>
      <p className="dialog-lead">
        {me.role} of {me.workspace.name}
      </p>
      <Sessions />
      <ApiKeys userId={me.user.id} />
      <Rules />
      <Memories />
    </Dialog>
  );
}
