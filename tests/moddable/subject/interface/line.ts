/** Lines of text over a connection of the SDK's own TCP class, so that its sockets and ours work side by side. */
import SystemTCP from "embedded:io/socket/tcp";

export class Line {
	readonly #socket: SystemTCP;
	readonly #onLine: (line: string) => void;
	/** Bytes of a line whose end has not come, and bytes that the socket has no room for. */
	#incoming = new Uint8Array(0);
	#outgoing: Uint8Array[] = [];
	#room = 0;

	constructor(place: { address: string; port: number }, onLine: (line: string) => void) {
		const line = this;
		this.#onLine = onLine;
		this.#socket = new SystemTCP({
			...place,
			onReadable() {
				line.#receive(new Uint8Array(this.read() as ArrayBuffer));
			},
			onWritable(count) {
				line.#room = count;
				line.#flush();
			},
			onError() {
				this.close();
			},
		});
	}

	send(text: string): void {
		this.#outgoing.push(new Uint8Array(ArrayBuffer.fromString(`${text}\n`)));
		this.#flush();
	}

	#flush(): void {
		while (this.#room > 0 && this.#outgoing.length > 0) {
			const first = this.#outgoing[0] as Uint8Array;
			const part = first.slice(0, this.#room);
			this.#room = (this.#socket.write(part) as unknown as number) ?? 0;
			if (part.length < first.length) this.#outgoing[0] = first.subarray(part.length);
			else this.#outgoing.shift();
		}
	}

	#receive(bytes: Uint8Array): void {
		const all = new Uint8Array(this.#incoming.length + bytes.length);
		all.set(this.#incoming);
		all.set(bytes, this.#incoming.length);
		let from = 0;
		for (let end = all.indexOf(10); end >= 0; end = all.indexOf(10, from)) {
			const line = String.fromArrayBuffer(all.slice(from, end).buffer);
			from = end + 1;
			this.#onLine(line);
		}
		this.#incoming = all.slice(from);
	}
}
