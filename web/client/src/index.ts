/** `@weir/client`: see the README beside this package. */

export { Api, newKey, type ClientOptions, type ApprovalPage, type ApprovalQuery, type ConversationPage, type Created, type MessagePage, type Sent } from "./api.js";
export { argsThatRun, countingVotes, hashOf, type FoldedCall } from "./calls.js";
export { follow, type Connection, type FollowOptions, type Listener } from "./follow.js";
export {
  ConversationFold,
  GapError,
  isLive,
  textOf,
  type FoldedMessage,
  type FoldedTurn,
  type Notice,
  type Queued,
  type TurnState,
} from "./fold.js";
export { isTemporary, UnreachableError, WeirError } from "./problem.js";
export { LiveConversation, type LiveListener } from "./live.js";
export { Socket, type SocketOptions } from "./socket.js";
export { positionOf } from "./types.js";
export type * from "./types.js";
