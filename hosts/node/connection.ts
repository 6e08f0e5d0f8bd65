/** Streams outside the tailnet (control, DERP) on node:net and node:tls, with the certificate rules of protocol/relay.md §3.3. */
import { createHash, X509Certificate } from "node:crypto";
import * as net from "node:net";
import * as tls from "node:tls";
import type { Connection as ConnectionContract, ConnectionOptions, HostError, HostErrorCode, TLSOptions } from "../../modules/host-contract.js";

const codes: Record<string, HostErrorCode> = {
	ECONNREFUSED: "refused",
	EHOSTUNREACH: "unreachable",
	ENETUNREACH: "unreachable",
	EADDRNOTAVAIL: "unreachable",
	ETIMEDOUT: "timeout",
	ECONNRESET: "closed",
	EPIPE: "closed",
};

/** OpenSSL's words for "this certificate will not do", as Node passes them on. */
const certificateCodes =
	/^(CERT_|ERR_TLS_CERT|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERROR_IN_CERT|CRL_|INVALID_CA|PATH_LENGTH|INVALID_PURPOSE|HOSTNAME_MISMATCH|CERTIFICATE_VERIFY)/;

function toHostError(error: NodeJS.ErrnoException, isTLS: boolean): HostError {
	const code = error.code ?? "";
	if (certificateCodes.test(code)) return { code: "certificate", message: `certificate not accepted: ${error.message}` };
	const known = codes[code];
	if (known) return { code: known, message: error.message };
	if (isTLS && (code.startsWith("ERR_SSL") || code === "EPROTO")) return { code: "tls", message: error.message };
	return { code: "io", message: error.message };
}

/** Bytes read at once, and the most that one record of TLS holds. A buffer of our own, since a chunk of Node's for every record costs a third more of the processor. */
const readBytes = 16384;

/** What was written before close() has so long to leave: a way that is dead would keep the stream for a quarter of an hour. */
const lingerMS = 5000;

class CertificateError extends Error {
	readonly code = "CERT_REFUSED";
}

const minVersion = "TLSv1.2";

/**
 * What trusts the authorities beside the roots that Node trusts. They are added to its own store, which is there within milliseconds; a list of all of them
 * as `ca` is read anew for every connection, and takes a tenth of a second.
 */
function contextWith(authorities: readonly string[]): tls.SecureContext {
	const secure = tls.createSecureContext({ minVersion });
	if (typeof secure.context?.addCACert !== "function") return tls.createSecureContext({ minVersion, ca: [...tls.rootCertificates, ...authorities] });
	for (const authority of authorities) secure.context.addCACert(authority);
	return secure;
}

/** Only alternative names count, as for the official node; Node alone would take the subject's common name where there are none. */
function checkName(expected: string, certificate: tls.PeerCertificate): Error | undefined {
	if (certificate.subjectaltname === undefined) return new CertificateError("the certificate carries no alternative name");
	return tls.checkServerIdentity(expected, certificate);
}

/** The pinned case: exactly one ordinary certificate, with this hash, valid now, and carrying the name if that is a DNS name. */
function checkPinned(socket: tls.TLSSocket, options: TLSOptions): CertificateError | undefined {
	const ordinary: X509Certificate[] = [];
	const seen = new Set<string>();
	let detailed: tls.DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
	while (detailed?.raw && !seen.has(detailed.fingerprint256)) {
		seen.add(detailed.fingerprint256);
		const certificate = new X509Certificate(detailed.raw);
		if (!/(^|\n)CN=derpkey/.test(certificate.subject)) ordinary.push(certificate);
		detailed = detailed.issuerCertificate;
	}
	const [leaf] = ordinary;
	if (!leaf || ordinary.length !== 1) return new CertificateError(`expected exactly one certificate, got ${ordinary.length}`);
	const hash = createHash("sha256").update(leaf.raw).digest("hex");
	if (hash !== options.certificateSHA256) return new CertificateError("the certificate has another SHA-256 than expected");
	const now = Date.now();
	if (now < Date.parse(leaf.validFrom) || now > Date.parse(leaf.validTo)) return new CertificateError("the certificate is not valid now");
	const name = options.certificateName ?? options.serverName;
	if (name && !net.isIP(name) && !leaf.checkHost(name, { subject: "never" })) return new CertificateError(`the certificate does not carry the name ${name}`);
	return undefined;
}

export class Connection implements ConnectionContract {
	readonly #options: ConnectionOptions;
	readonly #socket: net.Socket;
	#timer: NodeJS.Timeout | undefined;
	#open = false;
	#done = false;
	/** Bytes are pending. Node's own "drain" comes only above a mark that differs between its versions. */
	#isBehind = false;
	readonly #written = (): void => {
		if (!this.#isBehind || this.#done || this.#socket.writableLength > 0) return;
		this.#isBehind = false;
		this.#options.onDrain?.();
	};

	constructor(options: ConnectionOptions) {
		this.#options = options;
		const onread = { buffer: Buffer.allocUnsafeSlow(readBytes), callback: (count: number, buffer: Uint8Array) => this.#received(buffer.subarray(0, count)) };
		const to = { host: options.address, port: options.port, onread };
		this.#socket = options.tls ? this.#connectTLS(to, options.tls) : net.connect(to);
		const started = performance.now();
		this.#limit(Math.min(options.connectTimeoutMS ?? options.timeoutMS, options.timeoutMS));
		this.#socket.once("connect", () => {
			if (this.#done) return;
			this.#socket.setNoDelay(true);
			this.#limit(options.timeoutMS - (performance.now() - started));
			if (!options.tls) this.#opened();
		});
		this.#socket.on("end", () => this.#finish(this.#open ? undefined : { code: "closed", message: "the stream ended before it was open" }));
		this.#socket.on("error", (error: NodeJS.ErrnoException) => this.#finish(toHostError(error, options.tls !== undefined)));
		this.#socket.on("close", () => this.#finish({ code: "closed", message: "the stream was closed" }));
	}

	get pendingBytes(): number {
		return this.#socket.writableLength;
	}

	get localAddress(): string {
		return this.#socket.localAddress ?? "";
	}

	write(bytes: Uint8Array): void {
		if (this.#done) return;
		this.#socket.write(Buffer.from(bytes), this.#written);
		if (this.#socket.writableLength > 0) this.#isBehind = true;
	}

	close(): void {
		if (this.#done) return;
		this.#done = true;
		clearTimeout(this.#timer);
		const socket = this.#socket;
		if (!this.#open) {
			socket.destroy();
			return;
		}
		// What was written before goes out; then nothing keeps the stream.
		const timer = setTimeout(() => socket.destroy(), lingerMS);
		socket.once("close", () => clearTimeout(timer));
		socket.destroySoon();
	}

	/** Gives up unless the stream is open, or limited anew, in time. */
	#limit(timeoutMS: number): void {
		clearTimeout(this.#timer);
		const wholeMS = Math.max(0, Math.round(timeoutMS));
		this.#timer = setTimeout(() => this.#finish({ code: "timeout", message: `no connection within ${wholeMS} ms` }), wholeMS);
	}

	#connectTLS(to: tls.ConnectionOptions, options: TLSOptions): tls.TLSSocket {
		const expected = options.certificateName ?? options.serverName ?? this.#options.address;
		const byChain = !options.unverified && options.certificateSHA256 === undefined;
		const socket = tls.connect({
			...to,
			...(options.serverName === undefined ? {} : { servername: options.serverName }),
			rejectUnauthorized: byChain,
			...(options.authorities?.length ? { secureContext: contextWith(options.authorities) } : {}),
			checkServerIdentity: (_host, certificate) => (byChain ? checkName(expected, certificate) : undefined),
			minVersion,
			ALPNProtocols: ["http/1.1"],
		});
		socket.once("secureConnect", () => {
			const refusal = options.certificateSHA256 === undefined ? undefined : checkPinned(socket, options);
			if (refusal) this.#finish({ code: "certificate", message: refusal.message });
			else this.#opened();
		});
		return socket;
	}

	#opened(): void {
		if (this.#done) return;
		clearTimeout(this.#timer);
		this.#open = true;
		this.#options.onOpen();
	}

	#received(bytes: Uint8Array): boolean {
		if (!this.#done) this.#options.onData(bytes);
		return true;
	}

	#finish(error?: HostError): void {
		if (this.#done) return;
		this.#done = true;
		clearTimeout(this.#timer);
		this.#socket.destroy();
		this.#options.onClose(error);
	}
}
