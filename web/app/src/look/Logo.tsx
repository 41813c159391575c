/** Water that falls over a weir. */

export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg className="logo" width={size} height={size} viewBox="0 0 32 32" aria-hidden focusable="false">
      <rect width="32" height="32" rx="9" />
      <path d="M5.5 10.5h6.5c4.200 0 4.700 11 9 11h5.5" />
      <path d="M5.5 15.5h4.300c3 0 3.600 7 7.200 9" opacity=".6" />
      <path d="M16.5 10.5c2.300.6 3.100 5.600 6 6h4" opacity=".6" />
    </svg>
  );
}
