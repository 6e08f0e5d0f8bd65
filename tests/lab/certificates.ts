/**
 * X.509 certificates for tests: an authority made at start, and every kind of bad certificate (expired, other name, self-signed in front of a genuine chain,
 * meta certificate at the end). Signing is node:crypto's, the writing is ours, so that neither the demo nor a test needs a command line tool.
 */
import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";
import { addressBytes6 } from "./bytes.js";
import * as asn from "./der.js";

const DAY_MS = 86400000;
const OID_ECDSA_SHA256 = "1.2.840.10045.4.3.2";
const OID_ED25519 = "1.3.101.112";
const OID_COMMON_NAME = "2.5.4.3";

/** What a server needs: its certificate, the chain to send with it, its key. */
export interface Identity {
	readonly certificate: Uint8Array;
	/** Certificates to send, leaf first, PEM. */
	readonly chainPEM: string;
	readonly keyPEM: string;
	/** Lower-case hex SHA-256 of certificate, for "sha256-raw:". */
	readonly sha256: string;
}

export interface LeafOptions {
	/** DNS names and IP literals. */
	readonly names: readonly string[];
	readonly notBefore?: Date;
	readonly notAfter?: Date;
	/** Subject common name, default the first name. */
	readonly commonName?: string;
}

/** A certificate authority with a P-256 key. */
export class TestAuthority {
	readonly certificate: Uint8Array;
	readonly #name: string;
	readonly #key: KeyObject;
	readonly #keyID: Uint8Array;
	/** Intermediates between a leaf of ours and the root, nearest first. */
	readonly #above: readonly Uint8Array[];

	private constructor(name: string, issuer: TestAuthority | undefined) {
		const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
		this.#name = name;
		this.#key = pair.privateKey;
		this.#keyID = keyID(pair.publicKey);
		this.certificate = writeCertificate({
			subject: name,
			issuer: issuer ? issuer.#name : name,
			publicKey: pair.publicKey,
			signingKey: issuer ? issuer.#key : pair.privateKey,
			issuerKeyID: issuer ? issuer.#keyID : this.#keyID,
			isAuthority: true,
		});
		this.#above = issuer ? [this.certificate, ...issuer.#above] : [];
	}

	/** A root. */
	static create(name = "Lab Root"): TestAuthority {
		return new TestAuthority(name, undefined);
	}

	/** An authority below this one. */
	intermediate(name = "Lab Intermediate"): TestAuthority {
		return new TestAuthority(name, this);
	}

	get certificatePEM(): string {
		return pem("CERTIFICATE", this.certificate);
	}

	/** A server's certificate under this authority. */
	issue(options: LeafOptions): Identity {
		const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
		const certificate = writeCertificate({
			...options,
			subject: options.commonName ?? (options.names[0] as string),
			issuer: this.#name,
			publicKey: pair.publicKey,
			signingKey: this.#key,
			issuerKeyID: this.#keyID,
		});
		return identity(certificate, pair.privateKey, this.#above);
	}
}

/** A certificate that vouches for itself; with `behind` it is followed by certificates that have nothing to do with it. */
export function selfSigned(options: LeafOptions, behind: readonly Uint8Array[] = []): Identity {
	const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
	const subject = options.commonName ?? (options.names[0] as string);
	const certificate = writeCertificate({ ...options, subject, issuer: subject, publicKey: pair.publicKey, signingKey: pair.privateKey });
	return identity(certificate, pair.privateKey, behind);
}

/**
 * The Ed25519 certificate that a DERP server appends to its chain (protocol/relay.md §3.3).
 * @param serverKeyHex the DERP server's public key, 64 hex digits
 */
export function metaCertificate(serverKeyHex: string): Uint8Array {
	const pair = generateKeyPairSync("ed25519");
	const subject = `derpkey${serverKeyHex}`;
	const now = Date.now();
	return writeCertificate({
		subject,
		issuer: subject,
		publicKey: pair.publicKey,
		signingKey: pair.privateKey,
		serial: Uint8Array.of(2),
		notBefore: new Date(now - 30 * DAY_MS),
		notAfter: new Date(now + 30 * DAY_MS),
	});
}

/** The same identity with more certificates at the end of what it sends. */
export function withCertificates(base: Identity, ...more: Uint8Array[]): Identity {
	return { ...base, chainPEM: base.chainPEM + more.map((certificate) => pem("CERTIFICATE", certificate)).join("") };
}

export function pem(label: string, bytes: Uint8Array): string {
	const lines =
		Buffer.from(bytes)
			.toString("base64")
			.match(/.{1,64}/g) ?? [];
	return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

interface CertificateFields {
	readonly subject: string;
	readonly issuer: string;
	readonly publicKey: KeyObject;
	readonly signingKey: KeyObject;
	readonly issuerKeyID?: Uint8Array;
	readonly serial?: Uint8Array;
	readonly isAuthority?: boolean;
	readonly names?: readonly string[];
	readonly notBefore?: Date;
	readonly notAfter?: Date;
}

/** RFC 5280: TBSCertificate, algorithm, signature. */
function writeCertificate(fields: CertificateFields): Uint8Array {
	const isEd25519 = fields.signingKey.asymmetricKeyType === "ed25519";
	const algorithm = asn.sequence(asn.objectIdentifier(isEd25519 ? OID_ED25519 : OID_ECDSA_SHA256));
	const serial = fields.serial ?? Uint8Array.from([0x01, ...randomBytes(11)]);
	const body = asn.sequence(
		asn.explicit(0, asn.integer(Uint8Array.of(2))),
		asn.integer(serial),
		algorithm,
		nameOf(fields.issuer),
		asn.sequence(asn.time(fields.notBefore ?? new Date(Date.now() - DAY_MS)), asn.time(fields.notAfter ?? new Date(Date.now() + 30 * DAY_MS))),
		nameOf(fields.subject),
		new Uint8Array(fields.publicKey.export({ type: "spki", format: "der" })),
		asn.explicit(3, asn.sequence(...extensions(fields))),
	);
	const signature = sign(isEd25519 ? null : "sha256", body, fields.signingKey);
	return asn.sequence(body, algorithm, asn.bitString(signature));
}

function extensions(fields: CertificateFields): Uint8Array[] {
	const list: Uint8Array[] = [];
	const isAuthority = fields.isAuthority === true;
	list.push(extension("2.5.29.19", true, asn.sequence(...(isAuthority ? [asn.boolean(true)] : []))));
	// keyCertSign and cRLSign, or digitalSignature.
	list.push(extension("2.5.29.15", true, isAuthority ? asn.bitString(Uint8Array.of(0x06), 1) : asn.bitString(Uint8Array.of(0x80), 7)));
	if (!isAuthority) list.push(extension("2.5.29.37", false, asn.sequence(asn.objectIdentifier("1.3.6.1.5.5.7.3.1"))));
	list.push(extension("2.5.29.14", false, asn.octetString(keyID(fields.publicKey))));
	if (fields.issuerKeyID) list.push(extension("2.5.29.35", false, asn.sequence(asn.der(0x80, fields.issuerKeyID))));
	if (fields.names && fields.names.length > 0) list.push(extension("2.5.29.17", false, asn.sequence(...fields.names.map(generalName))));
	return list;
}

function extension(identifier: string, critical: boolean, value: Uint8Array): Uint8Array {
	return asn.sequence(asn.objectIdentifier(identifier), ...(critical ? [asn.boolean(true)] : []), asn.octetString(value));
}

function generalName(name: string): Uint8Array {
	const family = isIP(name);
	if (family === 4) return asn.der(0x87, new Uint8Array(name.split(".").map(Number)));
	if (family === 6) return asn.der(0x87, addressBytes6(name));
	return asn.der(0x82, Buffer.from(name));
}

function nameOf(commonName: string): Uint8Array {
	return asn.sequence(asn.set(asn.sequence(asn.objectIdentifier(OID_COMMON_NAME), asn.utf8String(commonName))));
}

function keyID(publicKey: KeyObject): Uint8Array {
	return Uint8Array.from(
		createHash("sha1")
			.update(publicKey.export({ type: "spki", format: "der" }))
			.digest(),
	);
}

function identity(certificate: Uint8Array, key: KeyObject, above: readonly Uint8Array[]): Identity {
	return {
		certificate,
		chainPEM: [certificate, ...above].map((one) => pem("CERTIFICATE", one)).join(""),
		keyPEM: createPrivateKey(key.export({ type: "pkcs8", format: "pem" })).export({ type: "pkcs8", format: "pem" }) as string,
		sha256: createHash("sha256").update(certificate).digest("hex"),
	};
}
