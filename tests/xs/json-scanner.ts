/** The JSON scanner of the test host; replaced below by one that buffers a document and walks it with JSON.parse. */
export class JSONScanner {
	readonly peakBytes = 0;
	constructor(_schema: Uint8Array, _bufferBytes: number) {}
	push(_bytes: Uint8Array, _onValue: (path: number, key: string, text: string) => void): number {
		throw new Error("no scanner");
	}
	reset(): void {}
}
