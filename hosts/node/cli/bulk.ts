/** Moves bytes over one TCP connection and measures: against an echo (sent, read back, compared) or a sink (sent until acknowledged). */
import { randomFillSync } from "node:crypto";
import type Tailnet from "../../../modules/tailnet.js";

/** Pattern that the bytes repeat; a prime-like odd length, so that a lost or doubled piece of a power of two shows. */
const patternBytes = 1_048_573;

export interface BulkResult {
	seconds: number;
	megabitsPerSecond: number;
}

/**
 * @param bytes to send; with mode "echo" as many have to come back, the same ones
 * @throws Error when the connection ends early or a byte differs
 */
export function bulk(tailnet: Tailnet, address: string, port: number, bytes: number, mode: "echo" | "sink", timeoutMS: number): Promise<BulkResult> {
	const pattern = randomFillSync(Buffer.allocUnsafe(patternBytes));
	const doubled = Buffer.concat([pattern, pattern.subarray(0, 65536)]);
	const incoming = Buffer.allocUnsafe(65536);
	return new Promise((resolve, reject) => {
		let sent = 0;
		let received = 0;
		let space = 0;
		let allSpace = 0;
		let started = 0;
		const finish = (error?: Error): void => {
			clearTimeout(timer);
			socket.close();
			if (error) {
				reject(error);
				return;
			}
			const seconds = (performance.now() - started) / 1000;
			resolve({ seconds, megabitsPerSecond: (bytes * 8) / seconds / 1e6 });
		};

		const send = (): void => {
			while (sent < bytes && space > 0) {
				const from = sent % patternBytes;
				const length = Math.min(bytes - sent, space, 65536);
				space = socket.write(doubled.subarray(from, from + length));
				sent += length;
			}
		};

		const socket = new tailnet.TCP({
			address,
			port,
			onWritable(count) {
				space = count;
				allSpace ||= count;
				started ||= performance.now();
				send();
				if (mode === "sink" && sent === bytes && space >= allSpace) finish();
			},
			onReadable(count) {
				while (count > 0) {
					const length = (socket.read(count < incoming.length ? incoming.subarray(0, count) : incoming) as number | undefined) ?? 0;
					if (length === 0) return;
					count -= length;
					if (mode === "sink") continue;
					const from = received % patternBytes;
					const head = Math.min(length, doubled.length - from);
					const same = incoming.compare(doubled, from, from + head, 0, head) === 0;
					if (!same) {
						finish(new Error(`byte ${received} or one of the next ${length} differs`));
						return;
					}
					received += length;
					if (received >= bytes) {
						finish(received === bytes ? undefined : new Error(`${received} bytes came back, expected ${bytes}`));
						return;
					}
				}
			},
			onError(error) {
				finish(error);
			},
		});
		const timer = setTimeout(() => finish(new Error(`not done within ${timeoutMS} ms: ${sent} sent, ${received} received of ${bytes}`)), timeoutMS);
	});
}
