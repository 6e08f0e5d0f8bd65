/* Classes of the SDK that it has no types for; sdk.d.ts says what is used of them. */

export { default as WebSocket } from "WebSocket";
export { default as TLSSocket } from "embedded:io/socket/tcp/tls";
export { default as WebPage } from "embedded:network/http/server/options/webpage";
export { default as WebSocketHandshake } from "embedded:network/http/server/options/websocket";
export { default as EventSource } from "eventsource";
