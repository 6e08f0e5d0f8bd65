/** The SDK's module "logical", as far as its WebSocket client goes. */
export default {
	xor(bytes, mask) {
		const target = new Uint8Array(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, bytes.byteLength);
		const pattern = new Uint8Array(mask.buffer ?? mask);
		for (let i = 0; i < target.length; i += 1) target[i] ^= pattern[i % pattern.length];
	},
};
