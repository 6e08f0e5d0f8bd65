/** Base64 by the engine, which TypeScript's library does not know of. */

interface Base64 {
	toBase64(): string;
}

export const toBase64 = (bytes: Uint8Array): string => (bytes as unknown as Base64).toBase64();

export const fromBase64 = (text: string): Uint8Array => (Uint8Array as unknown as { fromBase64(text: string): Uint8Array }).fromBase64(text);
