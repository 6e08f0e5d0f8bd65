/**
 * Which certificate a DERP node must show (protocol/relay.md §3.3), as options for the host's TLS.
 *
 *   certName          SNI (DNS names only)   check
 *   ""                hostName               chain, name = hostName (also when it is an IP literal)
 *   a name            hostName               chain, name = certName
 *   sha256-raw:HASH   hostName               hash of the only ordinary certificate; name = hostName if that is a DNS name
 *   insecureForTests  hostName               none, and only if the app allowed it
 *
 * Certificates whose subject begins with "derpkey" (the server's Ed25519 meta certificate) are no ordinary ones: the host ignores them.
 */
import type { TLSOptions } from "tailnet/host";
import type { DERPNode } from "./types.js";

const HASH_PREFIX = "sha256-raw:";

export interface CertificatePolicy {
	/** Additional trusted roots, PEM text. */
	readonly authorities?: readonly string[];
	/** Honour insecureForTests. */
	readonly allowInsecure?: boolean;
}

/** @returns undefined when certName demands a hash that is none: no certificate can satisfy it */
export function certificateRule(node: DERPNode, policy: CertificatePolicy): TLSOptions | undefined {
	const options: TLSOptions = {};
	const isLiteral = isIPv4Literal(node.hostName) || isIPv6Literal(node.hostName);
	if (!isLiteral) options.serverName = node.hostName;
	if (node.insecureForTests && policy.allowInsecure === true) {
		options.unverified = true;
		return options;
	}
	if (node.certName.startsWith(HASH_PREFIX)) {
		const hash = node.certName.slice(HASH_PREFIX.length);
		if (!/^[0-9a-f]{64}$/.test(hash)) return;
		options.certificateSHA256 = hash;
		if (!isLiteral) options.certificateName = node.hostName;
		return options;
	}
	options.certificateName = node.certName === "" ? node.hostName : node.certName;
	if (policy.authorities && policy.authorities.length > 0) options.authorities = policy.authorities.slice();
	return options;
}

export function isIPv4Literal(text: string): boolean {
	return /^(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])){3}$/.test(text);
}

/** Tells an IPv6 literal from a DNS name or a word; whether it is well-formed is for the host to say. */
export function isIPv6Literal(text: string): boolean {
	return text.includes(":") && /^[0-9a-fA-F:.]+$/.test(text);
}
