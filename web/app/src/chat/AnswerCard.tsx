/** What one turn made: all of its messages, as one answer. */

import { textOf, type FoldedMessage, type FoldedTurn, type Part } from "@weir/client";
import { Check, Copy, GitFork, RotateCcw } from "lucide-react";
import { memo, useState } from "react";
import { FilePart } from "../files/FilePart";
import { Waiting } from "../look/Waiting";
import { Markdown } from "../markdown/Markdown";
import { CallCard } from "../tools/CallCard";
import { useBranches } from "./branches";
import { plainText, wasResumed, type Standing } from "./exchange";
import { Ending } from "./Ending";
import { Reasoning } from "./Reasoning";
import { Siblings } from "./Siblings";

interface AnswerCardProps {
  messages: readonly FoldedMessage[];
  /** `unknown` where its turn ended before this page came, and said nothing. */
  standing: Standing | "unknown";
  problem: FoldedTurn["problem"];
  turnId: string | undefined;
  isLast: boolean;
}

export const AnswerCard = memo(
  function AnswerCard({ messages, standing, problem, turnId, isLast }: AnswerCardProps) {
    const isGoing = standing === "going" || standing === "waiting";
    const isSilent = isGoing && !isSpeaking(messages.at(-1));
    const text = plainText(messages);
    return (
      <article className="answer" aria-label="Weir" aria-busy={isGoing} data-standing={standing} data-last={isLast || undefined}>
        {messages.map((message, at) => (
          <Step key={message.id} message={message} isLive={isGoing} wasResumed={wasResumed(message, messages[at + 1])} />
        ))}
        {isSilent && (
          <p className="silent">
            {standing === "waiting" ? "Waits for a person, as long as it takes" : <Waiting label="The answer is coming" />}
            {messages.at(-1)?.status === "interrupted" && "Cut off. Going on from here"}
          </p>
        )}
        {!isGoing && <Ending standing={standing} problem={problem} turnId={turnId} />}
        {!isGoing && messages.length > 0 && (
          <footer className="answer-foot">
            {text !== "" && <CopyButton text={text} />}
            <BranchButtons messages={messages} />
            <Siblings siblings={messages[0]?.siblings} what="answer" />
            <Footnote messages={messages} />
          </footer>
        )}
      </article>
    );
  },
  (one, other) =>
    one.standing === other.standing &&
    one.problem === other.problem &&
    one.turnId === other.turnId &&
    one.isLast === other.isLast &&
    one.messages.length === other.messages.length &&
    one.messages.every((message, at) => message === other.messages[at]),
);

interface StepProps {
  message: FoldedMessage;
  isLive: boolean;
  wasResumed: boolean;
}

/** One message of it: one model call. */
const Step = memo(function Step({ message, isLive, wasResumed }: StepProps) {
  const isStreaming = message.status === "streaming";
  const last = message.parts.length - 1;
  return (
    <div className="step" data-message-id={message.id}>
      {message.parts.map((part, at) =>
        part.type === "tool_call" ? (
          <Calls key={at} part={part} message={message} isWritten={isStreaming && at === last} isLive={isLive} />
        ) : (
          <PartView key={at} part={part} isStreaming={isStreaming && at === last} />
        ),
      )}
      {wasResumed && (
        <p className="seam">
          <span>Cut off here, and resumed</span>
        </p>
      )}
    </div>
  );
});

interface CallsProps {
  part: Extract<Part, { type: "tool_call" }>;
  message: FoldedMessage;
  isWritten: boolean;
  isLive: boolean;
}

/** A call, and each time that it was done again because nobody knew. */
function Calls({ part, message: { calls = [] }, isWritten, isLive }: CallsProps) {
  const tries = [calls.find(({ id }) => id === part.call_id)];
  for (let next = tries[0]; next; ) {
    const { id } = next;
    next = calls.find(({ retry_of }) => retry_of === id);
    if (next) tries.push(next);
  }
  return tries.map((call, at) => (
    <CallCard key={call?.id ?? part.call_id} part={part} call={call} isWritten={isWritten} isLive={isLive} wasRetried={at < tries.length - 1} />
  ));
}

function PartView({ part, isStreaming }: { part: Exclude<Part, { type: "tool_call" }>; isStreaming: boolean }) {
  switch (part.type) {
    case "text":
      return (
        <div data-part="text">
          <Markdown text={part.text} streaming={isStreaming} />
        </div>
      );
    case "reasoning":
      return <Reasoning text={part.text} isGoing={isStreaming} />;
    case "source":
      return (
        <p className="source">
          Source: {part.title ?? "untitled"} <span className="source-url">{part.url}</span>
        </p>
      );
    case "file":
      return <FilePart file={part} />;
    case "notice":
      return (
        <p className="seam">
          <span>{part.text}</span>
        </p>
      );
  }
}

function isSpeaking(message: FoldedMessage | undefined): boolean {
  return message?.status === "streaming" && message.parts.some((part) => textOf(part) !== "");
}

function BranchButtons({ messages }: { messages: readonly FoldedMessage[] }) {
  const branches = useBranches();
  const last = messages.at(-1);
  if (!branches || !last) return null;
  return (
    <>
      <button type="button" className="icon-button small" aria-label="Answer again" title="Answer again" onClick={() => branches.regenerate(last.id)}>
        <RotateCcw aria-hidden />
      </button>
      <button type="button" className="icon-button small" aria-label="Fork here" title="Go on from here in a new conversation" onClick={() => branches.fork(last.id)}>
        <GitFork aria-hidden />
      </button>
    </>
  );
}

const COPIED_FOR = 1_500;

function CopyButton({ text }: { text: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = () =>
    void navigator.clipboard?.writeText(text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), COPIED_FOR);
    });
  // Outside of secure contexts there is no clipboard.
  if (!navigator.clipboard) return null;
  return (
    <button type="button" className="icon-button small" aria-label={isCopied ? "Copied" : "Copy the answer"} title="Copy the answer" onClick={copy}>
      {isCopied ? <Check aria-hidden /> : <Copy aria-hidden />}
    </button>
  );
}

function Footnote({ messages }: { messages: readonly FoldedMessage[] }) {
  const last = messages.at(-1);
  if (!last) return null;
  const tokens = messages.reduce((sum, { usage }) => sum + (usage?.output_tokens ?? 0), 0);
  const time = new Date(last.created_at);
  return (
    <small className="footnote">
      {last.model}
      {tokens > 0 && ` · ${tokens.toLocaleString()} ${tokens === 1 ? "token" : "tokens"}`}
      {" · "}
      <time dateTime={last.created_at} title={time.toLocaleString()}>
        {time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}
      </time>
    </small>
  );
}
