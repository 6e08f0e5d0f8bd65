/** Sends datagrams of random bytes and counts those that come back the same. */
import type Tailnet from "tailnet";
import { randomBytes } from "tailnet/host";
import Timer from "timer";

const paceMS = 2;

export function udp(tailnet: Tailnet, address: string, port: number, size: number, count: number, timeoutMS: number): Promise<number> {
	return new Promise((resolve) => {
		/** How often each payload is awaited: small ones repeat. */
		const expected = new Map<string, number>();
		let received = 0;
		let sent = 0;
		const finish = (): void => {
			Timer.clear(pace);
			Timer.clear(timer);
			socket.close();
			resolve(received);
		};
		const socket = new tailnet.UDP({
			onReadable() {
				for (let datagram = this.read(); datagram; datagram = this.read()) {
					const key = new Uint8Array(datagram).toBase64();
					const awaited = expected.get(key) ?? 0;
					if (awaited === 0) continue;
					expected.set(key, awaited - 1);
					received += 1;
				}
				if (received === count) finish();
			},
		});
		const pace = Timer.repeat(() => {
			if (sent === count) return;
			const payload = randomBytes(size);
			const key = payload.toBase64();
			expected.set(key, (expected.get(key) ?? 0) + 1);
			sent += 1;
			socket.write(payload, address, port);
		}, paceMS);
		const timer = Timer.set(finish, timeoutMS + paceMS * count);
	});
}
