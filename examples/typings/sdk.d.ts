/** Modules of the SDK that @moddable/typings has no types for; the SDK's own build brings its own. What the examples use of them. */

declare module "embedded:network/http/server" {
	import type Listener from "embedded:io/socket/listener";

	export interface HTTPConnectionHandlers {
		onRequest?(this: HTTPConnection, request: { method: string; path: string; headers: Map<string, string> }): void;
		onReadable?(this: HTTPConnection, count: number): void;
		onResponse?(this: HTTPConnection, response: HTTPResponse): void;
		onWritable?(this: HTTPConnection, count: number): void;
		onDone?(this: HTTPConnection): void;
		onError?(this: HTTPConnection): void;
	}

	export interface HTTPResponse {
		status: number;
		headers: Map<string, string | number>;
	}

	export interface HTTPConnection {
		accept(handlers: HTTPConnectionHandlers): void;
		respond(response: HTTPResponse): void;
		read(count?: number): ArrayBuffer | undefined;
		write(bytes?: ArrayBufferLike | Uint8Array): number;
		close(): void;
	}

	export default class HTTPServer {
		constructor(options: { io: typeof Listener; port?: number; onConnect(connection: HTTPConnection): void });
		close(): void;
		readonly port: number;
	}
}

declare module "embedded:network/websocket/client" {
	interface Options {
		host: string;
		port?: number;
		path?: string;
		dns: { io: new (options: object) => object };
		socket: { io: new (options: object) => object };
		onReadable?(this: WebSocketClient, count: number, options: { more: boolean; binary: boolean }): void;
		onWritable?(this: WebSocketClient, count: number): void;
		onControl?(this: WebSocketClient, opcode: number, data: ArrayBuffer): void;
		onClose?(this: WebSocketClient): void;
		onError?(this: WebSocketClient): void;
	}

	export default class WebSocketClient {
		constructor(options: Options);
		read(count: number): ArrayBuffer;
		write(data: ArrayBuffer | Uint8Array, options?: { opcode?: number; binary?: boolean; more?: boolean }): number;
		close(): void;
	}
}

declare module "pocoqrcode";
