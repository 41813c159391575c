import { WifiOff } from "lucide-react";

export function OfflineBanner({ isOffline }: { isOffline: boolean }) {
  return (
    <div role="status" className="banner-place">
      {isOffline && (
        <p className="banner">
          <WifiOff aria-hidden />
          <span>
            <strong>Offline.</strong> Reconnecting; nothing that was shown is lost.
          </span>
        </p>
      )}
    </div>
  );
}
