/** The echo that `up` serves on the tailnet: port 7, TCP and UDP. */
import { largestPayloadBytes } from "../../../modules/socket/udp.js";
import type Tailnet from "../../../modules/tailnet.js";

export const echoPort = 7;

/**
 * An outage may last until a relay's silence is noticed (75 s), and then TCP's next repetition may be two minutes away: a connection outlives that, so
 * the echo has to.
 */
export const echoStallMS = 300_000;

/** @param stallMS a peer that sends and takes nothing back for so long is left: what it sent is not read, so its end would never be told */
export function serveEcho(tailnet: Tailnet, stallMS = echoStallMS): void {
	const buffer = Buffer.allocUnsafe(65536);
	new tailnet.Listener({
		port: echoPort,
		onReadable() {
			for (let from = this.read(); from; from = this.read()) {
				let readable = 0;
				let writable = 0;
				let stall: NodeJS.Timeout | undefined;
				const end = (): void => {
					clearTimeout(stall);
					socket.close();
				};
				/** As much as both sides allow: what cannot be written is not read, so the sender is slowed down. */
				const pump = (): void => {
					while (readable > 0 && writable > 0) {
						const length = Math.min(readable, writable, buffer.length);
						const count = (socket.read(buffer.subarray(0, length)) as number | undefined) ?? 0;
						if (count === 0) return;
						readable -= count;
						try {
							writable = socket.write(buffer.subarray(0, count));
						} catch {
							end(); // it has broken, and its end is still to be told
							return;
						}
						clearTimeout(stall);
						stall = undefined;
					}
					if (readable > 0) stall ??= setTimeout(end, stallMS).unref();
				};
				const socket = new tailnet.TCP({
					from,
					onReadable(count) {
						readable = count;
						pump();
					},
					onWritable(count) {
						writable = count;
						pump();
					},
					onError: end,
				});
			}
		},
	});
	new tailnet.UDP({
		port: echoPort,
		onReadable() {
			for (let datagram = this.read(); datagram; datagram = this.read()) {
				if (datagram.byteLength <= largestPayloadBytes && datagram.port > 0) this.write(datagram, datagram.address, datagram.port);
			}
		},
	});
}
