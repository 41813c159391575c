import { textOf, type FoldedMessage } from "@weir/client";
import { memo } from "react";
import { Siblings } from "./Siblings";

/** What a person wrote, as it was written. */
export const QuestionCard = memo(function QuestionCard({ message }: { message: FoldedMessage }) {
  return (
    <article className="question" aria-label="You" data-message-id={message.id}>
      <div className="bubble">
        {message.parts.map((part, at) =>
          part.type === "text" ? (
            <div key={at} data-part="text">
              {textOf(part)}
            </div>
          ) : null,
        )}
      </div>
      <Siblings siblings={message.siblings} what="version" />
    </article>
  );
});
