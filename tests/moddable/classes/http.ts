/** The SDK's HTTP client, plain or over its TLS socket. */
import HTTPClient, { type ClientOptions } from "embedded:network/http/client";
import { isPattern, pattern } from "classes/pattern";

export interface Request {
	path: string;
	method?: string;
	/** Length of the body to send. */
	bytes?: number;
	/** Only these headers of the answer. */
	mask?: string[];
}

export interface Answer {
	status: number;
	headers: Record<string, string>;
	lengthBytes: number;
	isPattern: boolean;
}

/** Sends requests one after the other over one connection. */
export function http(options: ClientOptions, requests: Request[]): Promise<Answer[]> {
	return new Promise((resolve, reject) => {
		const answers: Answer[] = [];
		const client = new HTTPClient({
			...options,
			onError: () => reject(new Error(`the connection failed after ${answers.length} answers`)),
		});
		for (const request of requests) {
			const answer: Answer = { status: 0, headers: {}, lengthBytes: 0, isPattern: true };
			const bytes = request.bytes ?? 0;
			let sent = 0;
			const headers = new Map<string, string>();
			if (bytes > 0) headers.set("content-length", String(bytes));
			client.request({
				method: request.method ?? "GET",
				path: request.path,
				headers,
				...(request.mask ? { headersMask: request.mask } : {}),
				onWritable(count) {
					while (sent < bytes && count > 0) {
						const part = pattern(sent, Math.min(bytes - sent, count));
						sent += part.length;
						count = this.write(part.slice().buffer) as unknown as number;
					}
				},
				onHeaders(status, all) {
					answer.status = status;
					for (const [name, value] of all) answer.headers[name] = value;
				},
				onReadable(count) {
					const part = new Uint8Array(this.read(count) as ArrayBuffer);
					answer.isPattern &&= isPattern(part, answer.lengthBytes);
					answer.lengthBytes += part.length;
				},
				onDone(error) {
					if (error) return;
					answers.push(answer);
					if (answers.length < requests.length) return;
					resolve(answers);
					client.close();
				},
			});
		}
	});
}
