declare module "classes/sdk" {
	import type { HTTPConnectionHandlers } from "embedded:network/http/server";

	export class EventSource {
		constructor(url: string);
		onmessage: (event: { data: string }) => void;
		close(): void;
	}

	export class TLSSocket {
		constructor(options: object);
		write(data: ArrayBuffer | Uint8Array): number;
		read(): ArrayBuffer;
		close(): void;
	}

	export const WebPage: HTTPConnectionHandlers;
	export const WebSocketHandshake: HTTPConnectionHandlers;

	export class WebSocket {
		constructor(options: { url: string; ws: object });
		onopen: () => void;
		onmessage: (event: { data: string | ArrayBuffer }) => void;
		onclose: (event: { code: number }) => void;
		onerror: () => void;
		send(data: string | ArrayBuffer): void;
		close(code: number, reason: string): void;
	}
}
