/** Three dots that breathe, for what is on its way. */

export function Waiting({ label }: { label: string }) {
  return (
    <span className="waiting" role="img" aria-label={label}>
      <i />
      <i />
      <i />
    </span>
  );
}
