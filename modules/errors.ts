/**
 * The one error type of the public face. A code is stable and meant for programs; a message is meant for people, names what was expected and
 * what came, and never carries a secret.
 */
export type ErrorCode =
	| "argument" // the app passed something unusable
	| "busy" // a node exists already, or the question is being asked
	| "closed" // the node, or the connection, was closed
	| "store" // the store cannot be read or written
	| "control-unreachable" // no connection to the control server
	| "control-key" // /key gave no usable key
	| "control-protocol" // the control server spoke something else
	| "control-refused" // the control server answered with an error
	| "version" // the control server does not speak our capability version
	| "certificate" // a TLS certificate is not acceptable
	| "auth-key" // the control server refused the auth key
	| "needs-login" // a person has to log in first
	| "rate-limited" // asked to wait
	| "key-expired" // our node key has expired
	| "not-found" // no such peer or name
	| "peer-expired" // the peer's node key has expired
	| "no-route" // no peer owns the address
	| "refused" // the other side refused the connection
	| "policy" // the access rules refused it
	| "timeout" // the other side did not answer
	| "reset" // the other side broke the connection
	| "in-use" // the port is taken
	| "full" // a pool is exhausted; counters say which
	| "derp-unreachable" // no relay connection
	| "derp-protocol" // the relay spoke something else
	| "filter" // the packet filter does not fit or is invalid; nothing new is let in
	| "resume" // the record of suspend() is not used: an ordinary start
	| "lock" // tailnet lock: the history of the key authority cannot be verified
	| "netmap" // a part of the network map does not fit or is invalid
	| "io"; // anything else the machine refused

export class TailnetError extends Error {
	readonly code: ErrorCode;

	constructor(code: ErrorCode, message: string) {
		super(message);
		this.code = code;
	}

	override get name(): string {
		return "TailnetError";
	}
}
