/** A link that says where it goes. Nothing is fetched before it is clicked. */

import type { ReactNode } from "react";

import { addressOf, says } from "./address.ts";

export interface LinkProps {
  url: string;
  /** What it shows, where that is plain text. */
  text: string;
  children: ReactNode;
}

export function Link({ url, text, children }: LinkProps) {
  const address = addressOf(url);
  // While it streams, a link has no address yet.
  if (url === "" || url === "streamdown:incomplete-link") return children;
  if (!address) {
    return (
      <span className="md-refused">
        {children} <bdi className="md-target">{url}</bdi>
      </span>
    );
  }
  return (
    <a href={address.href} title={address.href} target="_blank" rel="noopener noreferrer nofollow" referrerPolicy="no-referrer">
      {children}
      {says(text, address) ? null : (
        <>
          {" "}
          <bdi className="md-target">{address.target}</bdi>
        </>
      )}
    </a>
  );
}
