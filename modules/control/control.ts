/**
 * The whole life with the control server: /key, dial, register, map poll, lite updates, and again after every failure, with a backoff that has no end.
 *
 *   phase         does                                           then
 *   idle          nothing                                        start() → key
 *   key           GET /key (once; again when it is in doubt)     dialling
 *   dialling      races the ways to ts2021                       registering, or polling if registered
 *   registering   POST /machine/register                         polling, login, waiting
 *   login         control holds the follow-up of an AuthURL      polling, registering
 *   polling       map poll and lite updates                      waiting
 *   waiting       backoff, Retry-After, or control's wish        key / dialling
 *
 * Any failure closes the session and leads to "waiting". The map in force stays, whatever happens here. What types.ts calls the state is what a person
 * should see of it.
 */
import { log, monotonicMS, startTimer, stopTimer, utf8Encode, wallClockMS } from "tailnet/host";
import { TailnetError } from "../errors.js";
import type { Timer } from "../host-contract.js";
import type { MapMessage } from "../netmap/types.js";
import { Backoff, randomFraction } from "./backoff.js";
import { fetchControlKey } from "./control-key.js";
import { Dial, DialMemory, waysTo } from "./dial.js";
import { HoldWatch } from "./hold-watch.js";
import { authorityOf, parseURL, type Target } from "./http1.js";
import { Login, type LoginStep } from "./login.js";
import { MapPoll } from "./map-poll.js";
import { printable } from "./noise.js";
import type { NoiseStream } from "./noise-stream.js";
import { Owner } from "./owner.js";
import { PingResponder } from "./ping-request.js";
import { logoutRequest, registerRequest } from "./register.js";
import { balancerHeaders, SelfReport } from "./self-report.js";
import { type Answer, type Request, Session } from "./session.js";
import {
	CAPABILITY_VERSION,
	type ControlCallbacks,
	type ControlOptions,
	type ControlStatus,
	DEFAULT_CONTROL_URL,
	type HostFacts,
	type NetFacts,
	type OwnEndpoint,
} from "./types.js";

const BACKOFF_STEP_MS = 100;
const BACKOFF_LIMIT_MS = 30_000;
/** After "refused": rarely enough not to be a nuisance, often enough that a device heals when an administrator has. */
const REFUSED_STEP_MS = 60_000;
const REFUSED_LIMIT_MS = 3_600_000;
/** A map ends the backoff. But sessions that die so soon after their map, one after the other, are spaced out: each costs a whole map. */
const SHORT_LIFE_MS = 10_000;
const SHORT_LIFE_STEP_MS = 200;
const SHORT_LIFE_LIMIT_MS = 5000;
/** A session that fails after so long a silence has not been answered: its way, not the server, is in doubt. */
const SILENT_MS = 20_000;
const REGISTER_MS = 30_000;
const LOGOUT_MS = 15_000;
/** So many times in a row "I do not know this node key" lead back to registration. */
const UNKNOWN_LIMIT = 3;
const MAXIMUM_SLEEP_SECONDS = 300;
const MAXIMUM_ANSWER_BYTES = 65536;
const DEFAULT_WINDOW_BYTES = 16384;
const DEFAULT_FALLBACK_MS = 2000;

export class Control {
	readonly #options: ControlOptions;
	readonly #owner: Owner;
	readonly #target: Target;
	readonly #authority: string;
	readonly #version: number;
	readonly #login: Login;
	readonly #dialMemory = new DialMemory();
	readonly #backoff = new Backoff(BACKOFF_STEP_MS, BACKOFF_LIMIT_MS);
	readonly #refusals = new Backoff(REFUSED_STEP_MS, REFUSED_LIMIT_MS);
	readonly #report: SelfReport;
	readonly #hold = new HoldWatch();
	readonly #pings: PingResponder;

	// Where we are.
	#phase: ControlStatus["phase"] = "idle";
	#controlKey: Uint8Array | undefined;
	#isRegistered = false;
	/** Monotonic ms before which control wants no registration. */
	#quietUntilMS = 0;
	#unknownCount = 0;
	#sessions = 0;
	#messages = 0;
	#lastMessageMS = 0;
	#sessionSinceMS = 0;
	/** The present session has brought a map message. */
	#hasMap = false;
	/** URL that control wanted a person to visit last. */
	#poppedURL = "";
	/** Sessions in a row that died soon after their map. */
	#shortLives = 0;
	#isClosed = false;
	#logout: { done: (error?: TailnetError) => void; timer: Timer } | undefined;

	// What is under way.
	#attempt: { close(): void } | undefined;
	#session: Session | undefined;
	#request: Request | undefined;
	#poll: MapPoll | undefined;
	#timer: Timer | undefined;

	/** @throws {TailnetError} "argument" if controlURL is no http or https URL, or a key has not 32 bytes */
	constructor(options: ControlOptions, callbacks: ControlCallbacks) {
		const target = parseURL(options.controlURL ?? DEFAULT_CONTROL_URL);
		if (!target) throw new TailnetError("argument", "controlURL: an http or https URL was expected");
		for (const key of [options.machinePrivateKey, options.nodePrivateKey, options.discoPublicKey]) {
			if (key.length !== 32) throw new TailnetError("argument", "keys of 32 bytes were expected");
		}
		this.#options = options;
		this.#owner = new Owner(callbacks);
		this.#target = target;
		this.#authority = authorityOf(target.host, target.port, target.isTLS ? 443 : 80);
		this.#version = options.capabilityVersion ?? CAPABILITY_VERSION;
		this.#report = new SelfReport(this.#version, options.host, options.discoPublicKey, options.tags ?? [], () =>
			this.#failed(new TailnetError("control-refused", "control does not know this node any more"), true),
		);
		this.#login = new Login(options.nodePrivateKey, options.oldNodeKey, options.authKey ?? "", options.isKnown ?? false, (reason) =>
			callbacks.onNodeKeyWanted(reason),
		);
		const onPing = callbacks.onPing?.bind(callbacks);
		this.#pings = new PingResponder({
			authorities: options.authorities,
			onPing: onPing && ((type, address, done) => this.#owner.tell(() => onPing(type, address, done))),
		});
	}

	get status(): ControlStatus {
		return {
			state: this.#owner.state,
			reason: this.#owner.reason,
			phase: this.#phase,
			transport: this.#session ? (this.#session.isTLS ? "tls" : "plain") : "",
			lastMessageMS: this.#lastMessageMS,
			sessionSinceMS: this.#session ? this.#sessionSinceMS : 0,
			failures: this.#backoff.failures + this.#refusals.failures,
			error: this.#owner.error,
			sessions: this.#sessions,
			updates: this.#report.count,
			messages: this.#messages,
			localAddress: this.#session?.localAddress ?? "",
		};
	}

	/** Begins; the first callback comes in a later turn. Idempotent. */
	start(): void {
		if (this.#isClosed || this.#phase !== "idle") return;
		this.#wait(0, () => {
			this.#owner.setState("connecting", "");
			this.#connect();
		});
	}

	/** Where peers may find us. Sent when it differs from what control has. */
	updateEndpoints(endpoints: readonly OwnEndpoint[]): void {
		this.#report.setEndpoints(endpoints);
	}

	updateNetInfo(facts: NetFacts): void {
		this.#report.setNet(facts);
	}

	/** Members that are given replace those before. */
	updateHostinfo(facts: Partial<HostFacts>): void {
		this.#report.setHost(facts);
	}

	/** Our disco key is another one (32 bytes, public). */
	updateDiscoKey(key: Uint8Array): void {
		this.#report.setDiscoKey(key);
	}

	/** Head of the key authority that we know, as text, "" = none: control hears of it with the next update. */
	updateLockHead(head: string): void {
		this.#report.setLockHead(head);
	}

	/**
	 * Asks something else on the session of the map poll: GET with a body, as control wants it (modules/lock/messages.ts).
	 * @param done called in a later turn, and not at all if the session ends before
	 * @returns false if there is no such session
	 */
	ask(path: string, body: string, limitBytes: number, done: (error: TailnetError | undefined, status: number, text: string) => void): boolean {
		const session = this.#session;
		if (!session || session.isOver || this.#phase !== "polling") return false;
		const request = { method: "GET", path, headers: balancerHeaders(this.#login.nodeKey), body: utf8Encode(body) };
		session.ask(request, limitBytes, 0, (error, { status, text }) => {
			if (this.#session === session) this.#owner.tell(() => done(error, status, text));
		});
		return true;
	}

	/** Another auth key, or another try after "refused". Nothing while the node is registered. */
	retry(authKey?: string): void {
		if (this.#isClosed || this.#isRegistered || this.#phase === "idle") return;
		this.#login.begin(authKey);
		this.#refusals.reset();
		this.#owner.forgetError();
		this.reconnect();
	}

	/** The network under us changed: the present session is not trusted any more, connect again now, or when control allows the next registration. */
	reconnect(): void {
		if (this.#isClosed || (this.#phase === "idle" && !this.#logout)) return;
		this.#backoff.reset();
		this.#teardown();
		const isQuiet = !this.#isRegistered && !this.#logout;
		this.#wait(isQuiet ? Math.max(0, this.#quietUntilMS - monotonicMS()) : 0, () => this.#connect());
	}

	/** Our node key has expired (seen in the map): asks for a new one and registers it. */
	keyExpired(): void {
		if (this.#isClosed || this.#phase === "idle" || this.#login.isRenewing || this.#logout) return;
		this.#isRegistered = false;
		this.reconnect();
		// In a later turn, like every callback.
		this.#wait(0, () => {
			this.#owner.tell(() => this.#login.renew());
			this.#connect();
		});
	}

	/** Gives up the node key at control, then stops. done is called once, in a later turn; the owner forgets the node key whatever it says. */
	logout(done: (error?: TailnetError) => void): void {
		if (this.#isClosed || this.#logout) {
			startTimer(() => this.#owner.tell(() => done(new TailnetError("closed", "the node is closed, or logging out already"))), 0);
			return;
		}
		const timer = startTimer(() => this.#loggedOut(new TailnetError("timeout", "control did not confirm the logout")), LOGOUT_MS);
		this.#logout = { done, timer };
		if (this.#session && !this.#session.isOver) this.#sendLogout(this.#session);
		else this.reconnect();
	}

	/** Stops everything; no callback afterwards. Idempotent. */
	close(): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		this.#teardown();
		stopTimer(this.#logout?.timer);
		this.#pings.close();
		this.#owner.close();
		this.#phase = "idle";
	}

	// ---- To a session ----

	#connect(): void {
		if (this.#isClosed) return;
		if (this.#controlKey) {
			this.#dial(this.#controlKey);
			return;
		}
		this.#phase = "key";
		this.#attempt = fetchControlKey(
			this.#target,
			this.#version,
			this.#options.authorities,
			(key) => {
				this.#controlKey = key;
				this.#dial(key);
			},
			(error) => this.#failed(error),
		);
	}

	#dial(controlKey: Uint8Array): void {
		this.#phase = "dialling";
		const ways = this.#dialMemory.order(waysTo(this.#target), monotonicMS());
		this.#attempt = new Dial({
			control: this.#target,
			ways,
			fallbackDelayMS: this.#options.fallbackDelayMS ?? DEFAULT_FALLBACK_MS,
			authorities: this.#options.authorities,
			machinePrivateKey: this.#options.machinePrivateKey,
			controlKey,
			version: this.#version,
			onOpen: (stream) => this.#opened(stream),
			onFailure: (error, isKeyInDoubt) => {
				this.#dialMemory.failed();
				if (isKeyInDoubt) this.#controlKey = undefined;
				this.#failed(error);
			},
		});
	}

	#opened(stream: NoiseStream): void {
		this.#attempt = undefined;
		this.#dialMemory.opened(stream);
		this.#sessions += 1;
		this.#sessionSinceMS = monotonicMS();
		this.#hasMap = false;
		const session = new Session({
			stream,
			authority: this.#authority,
			windowBytes: this.#options.windowBytes ?? DEFAULT_WINDOW_BYTES,
			version: this.#version,
			onClose: (error) => {
				if (this.#session !== session) return;
				this.#dialMemory.ended(session, this.#sessionSinceMS, monotonicMS());
				// A handshake that stood and then said nothing: the key may be right, but nobody knows.
				if (error.code === "control-protocol") this.#controlKey = undefined;
				this.#failed(error, error.code === "control-unreachable" && (this.#phase === "polling" || this.#phase === "login"));
			},
			onGoingAway: () => {
				// A registration on its way may finish; the rest is endless anyway.
				if (this.#phase !== "registering") this.#failed(new TailnetError("control-unreachable", "control goes away"), true);
			},
		});
		this.#session = session;
		// On a turn of its own: a request goes deep, the end of the handshake comes from deep, and the stack of a board has room for one of them.
		this.#wait(0, () => (this.#logout ? this.#sendLogout(session) : this.#again(session)));
	}

	// ---- Registration ----

	#register(session: Session): void {
		const next = this.#login.next();
		if (next instanceof TailnetError) {
			this.#refuse(next);
			return;
		}
		const isHeld = next.followup !== "";
		this.#phase = isHeld ? "login" : "registering";
		const body = registerRequest({ ...next, version: this.#version, hostinfo: this.#report.hostinfo(), ephemeral: this.#options.ephemeral ?? false });
		const request = {
			method: "POST",
			path: "/machine/register",
			headers: balancerHeaders(next.nodeKey, next.oldNodeKey),
			body: utf8Encode(body),
		};
		if (isHeld) this.#hold.start(session, () => this.#failed(new TailnetError("control-unreachable", "control does not answer while a login is open"), true));
		this.#request = session.ask(request, MAXIMUM_ANSWER_BYTES, isHeld ? 0 : REGISTER_MS, (error, answer) => {
			this.#request = undefined;
			this.#hold.stop();
			if (error) this.#failed(error, isHeld);
			else this.#answered(session, answer);
		});
	}

	#answered(session: Session, answer: Answer): void {
		let step: LoginStep;
		try {
			step = this.#login.answer(answer.status, answer.text, answer.retryAfter, wallClockMS(), randomFraction());
		} catch {
			this.#refuse(new TailnetError("store", "a new node key was expected from the owner")); // onNodeKeyWanted threw
			return;
		}
		if (this.#isClosed) return;
		switch (step.kind) {
			case "show":
				this.#owner.setState(this.#login.isRenewing ? "key-expired" : "needs-login", "a person has to log in");
				this.#owner.tell((callbacks) => callbacks.onLogin(printable(step.url)));
				if (this.#session === session) this.#again(session);
				return;
			case "send":
				this.#again(session);
				return;
			case "wait":
				if (step.delayMS === 0) this.#failed(step.error);
				else {
					if (step.error.code === "rate-limited") this.#quietUntilMS = monotonicMS() + step.delayMS;
					this.#owner.failed(step.error, step.error.code === "needs-login");
					this.#teardown();
					this.#wait(step.delayMS, () => this.#connect());
				}
				return;
			case "refused":
				this.#refuse(step.error);
				return;
			case "done":
				this.#isRegistered = true;
				this.#unknownCount = 0;
				this.#refusals.reset();
				if (["needs-login", "key-expired", "refused"].includes(this.#owner.state)) this.#owner.setState("connecting", "");
				if (step.wantsSignature)
					this.#owner.failed(new TailnetError("control-refused", "tailnet lock: an administrator has to sign this node before peers accept it"), false);
				this.#owner.tell((callbacks) => callbacks.onRegistered({ ...step, nodeKey: this.#login.nodeKey }));
				if (this.#session === session) this.#again(session);
		}
	}

	/** The next thing to do on a session that is in order. */
	#again(session: Session): void {
		if (session.isOver) this.#failed(new TailnetError("control-unreachable", "control goes away"), true);
		else if (this.#isRegistered) this.#startPoll(session);
		else this.#register(session);
	}

	#refuse(error: TailnetError): void {
		this.#teardown();
		this.#login.begin();
		this.#owner.failed(error, false);
		this.#owner.setState("refused", error.message);
		this.#wait(this.#refusals.next(), () => this.#connect());
	}

	// ---- Map poll and lite updates ----

	#startPoll(session: Session): void {
		this.#phase = "polling";
		this.#poll = new MapPoll({
			session,
			request: this.#report.pollRequest(this.#login.nodeKey),
			reader: this.#options.mapReader,
			onMessage: (message) => this.#message(session, message),
			onEnd: (error, isUnknown, isOrderly) => {
				if (isUnknown) {
					this.#unknownCount += 1;
					if (this.#unknownCount >= UNKNOWN_LIMIT) {
						this.#unknownCount = 0;
						this.#isRegistered = false;
						this.#login.begin();
					}
				}
				this.#failed(error, isOrderly);
			},
		});
		this.#report.begin(session, this.#login.nodeKey);
	}

	#message(session: Session, message: MapMessage): void {
		this.#messages += 1;
		this.#lastMessageMS = monotonicMS();
		this.#unknownCount = 0;
		this.#hasMap = true;
		this.#backoff.reset();
		this.#owner.heard();
		if (message.pingRequest) {
			const request = message.pingRequest;
			this.#owner.tell(() => this.#pings.receive(request, session));
		}
		if (message.popBrowserURL && message.popBrowserURL !== this.#poppedURL) {
			this.#poppedURL = message.popBrowserURL;
			log("warning", `control asks a person to visit ${printable(this.#poppedURL)}`);
		}
		this.#owner.tell((callbacks) => callbacks.onMap(message));
		if (this.#session !== session || !message.debug) return;
		const { Exit, SleepSeconds } = message.debug;
		if (typeof Exit === "number") {
			this.#teardown();
			this.#phase = "idle";
			this.#owner.setState("stopped", `control asked the node to exit (code ${Exit})`);
		} else if (typeof SleepSeconds === "number" && SleepSeconds > 0) {
			this.#teardown();
			this.#wait(Math.min(SleepSeconds, MAXIMUM_SLEEP_SECONDS) * 1000, () => this.#connect());
		}
	}

	// ---- Logout ----

	#sendLogout(session: Session): void {
		stopTimer(this.#timer); // a session that has just been opened asks nothing else
		this.#request?.close();
		// Control tells of the end on the stream as well, before it answers: that must not look like an expiry, or like a failure.
		this.#poll?.close();
		this.#poll = undefined;
		const { nodeKey, authKey } = this.#login;
		const request = {
			method: "POST",
			path: "/machine/register",
			headers: balancerHeaders(nodeKey),
			body: utf8Encode(logoutRequest(this.#version, nodeKey, this.#report.hostinfo(), authKey)),
		};
		this.#request = session.ask(request, MAXIMUM_ANSWER_BYTES, LOGOUT_MS, (error, answer) => {
			this.#request = undefined;
			this.#loggedOut(error ?? this.#login.logoutError(answer.status, answer.text));
		});
	}

	#loggedOut(error: TailnetError | undefined): void {
		const logout = this.#logout;
		if (!logout || this.#isClosed) return;
		this.#logout = undefined;
		stopTimer(logout.timer);
		this.#teardown();
		this.#phase = "idle";
		this.#isRegistered = false;
		this.#owner.setState("stopped", "logged out");
		this.#owner.tell(() => logout.done(error));
	}

	// ---- Failures ----

	/** What is under way has failed: close it all, and begin again after a while. isOrderly: worth a word only if it cannot be made good. */
	#failed(error: TailnetError, isOrderly = false): void {
		if (this.#isClosed) return;
		const session = this.#session;
		if (session && monotonicMS() - session.heardMS >= SILENT_MS) this.#dialMemory.ended(session, this.#sessionSinceMS, monotonicMS(), session.heardMS);
		if (session && this.#hasMap) {
			const isShort = monotonicMS() - this.#sessionSinceMS < SHORT_LIFE_MS;
			this.#shortLives = isShort ? this.#shortLives + 1 : 0;
		}
		this.#teardown();
		if (this.#logout) {
			this.#loggedOut(error);
			return;
		}
		const spacing = Math.min(this.#shortLives * SHORT_LIFE_STEP_MS, SHORT_LIFE_LIMIT_MS);
		const delayMS = Math.max(this.#backoff.next(), spacing);
		this.#owner.failed(error, isOrderly); // who hears of it reads the status, which counts this failure
		this.#wait(delayMS, () => this.#connect());
	}

	/** Ends session, requests and timers of this attempt. */
	#teardown(): void {
		stopTimer(this.#timer);
		this.#hold.stop();
		this.#report.end();
		this.#attempt?.close();
		this.#attempt = undefined;
		this.#request?.close();
		this.#request = undefined;
		this.#poll?.close();
		this.#poll = undefined;
		const session = this.#session;
		this.#session = undefined;
		session?.close();
		this.#pings.sessionEnded();
	}

	#wait(delayMS: number, then: () => void): void {
		if (this.#isClosed) return;
		stopTimer(this.#timer);
		this.#phase = "waiting";
		this.#timer = startTimer(() => {
			if (!this.#isClosed) then();
		}, delayMS);
	}
}
