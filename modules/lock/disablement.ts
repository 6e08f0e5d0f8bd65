/**
 * The end of tailnet lock: an administrator gives control a secret, control hands it to every node, and each makes sure of it. What is kept of the secrets is
 * Argon2i of them. See package tka of the official client (state.go, v1.98.9).
 */
import { argon2i, equalBytes, utf8Encode } from "tailnet/host";
import type { Trust } from "./authority-state.js";

export const DISABLEMENT_SALT = "tailscale network-lock disablement salt";

/** @returns whether the secret ends the authority's lock; undefined: this machine has not the memory to tell, as no device has */
export function endsLock(trust: Trust, secret: Uint8Array): boolean | undefined {
	const derived = argon2i(secret, utf8Encode(DISABLEMENT_SALT));
	return derived && trust.disablement.some((value) => equalBytes(value, derived));
}
