/** Moves bytes over one TCP connection and measures: against an echo (sent, read back, compared) or a sink (sent until acknowledged). */
import type Tailnet from "tailnet";
import { equalBytes, monotonicMS, randomBytes } from "tailnet/host";
import Timer from "timer";

/** Pattern that the bytes repeat; an odd length, so that a lost or doubled piece of a power of two shows. */
const patternBytes = 65_521;
const pieceBytes = 16_384;

export interface BulkResult {
	seconds: number;
	megabitsPerSecond: number;
}

/**
 * @param bytes to send; with mode "echo" as many have to come back, the same ones
 * @throws Error when the connection ends early or a byte differs
 */
export function bulk(tailnet: Tailnet, address: string, port: number, bytes: number, mode: "echo" | "sink", timeoutMS: number): Promise<BulkResult> {
	const pattern = new Uint8Array(patternBytes + pieceBytes);
	pattern.set(randomBytes(patternBytes));
	pattern.copyWithin(patternBytes, 0, pieceBytes);
	const incoming = new Uint8Array(pieceBytes);
	return new Promise((resolve, reject) => {
		let sent = 0;
		let received = 0;
		let room = 0;
		let allRoom = 0;
		let started = 0;
		const finish = (error?: Error): void => {
			Timer.clear(timer);
			socket.close();
			if (error) {
				reject(error);
				return;
			}
			const seconds = (monotonicMS() - started) / 1000;
			resolve({ seconds, megabitsPerSecond: (bytes * 8) / seconds / 1e6 });
		};
		const timer = Timer.set(() => finish(new Error(`not done within ${timeoutMS} ms: ${sent} sent, ${received} received of ${bytes}`)), timeoutMS);
		const socket = new tailnet.TCP({
			address,
			port,
			onWritable(count) {
				room = count;
				allRoom ||= count;
				started ||= monotonicMS();
				while (sent < bytes && room > 0) {
					const from = sent % patternBytes;
					const length = Math.min(bytes - sent, room, pieceBytes);
					room = this.write(pattern.subarray(from, from + length));
					sent += length;
				}
				if (mode === "sink" && sent === bytes && room >= allRoom) finish();
			},
			onReadable(count) {
				while (count > 0) {
					const length = this.read(count < pieceBytes ? incoming.subarray(0, count) : incoming) as number;
					const from = received % patternBytes;
					if (mode === "echo" && !equalBytes(incoming.subarray(0, length), pattern.subarray(from, from + length))) {
						finish(new Error(`byte ${received} or one of the next ${length} differs`));
						return;
					}
					count -= length;
					received += length;
				}
				if (mode === "echo" && received >= bytes) finish(received === bytes ? undefined : new Error(`${received} bytes came back, expected ${bytes}`));
			},
			onError: finish,
		});
	});
}
