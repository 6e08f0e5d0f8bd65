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
import { keyToText } from "../netmap/keys.js";
import type { MapMessage } from "../netmap/types.js";
import { Backoff, randomFraction } from "./backoff.js";
import { fetchControlKey } from "./control-key.js";
import { Dial, DialMemory, waysTo } from "./dial.js";
import { hostinfo, type JSONObject } from "./hostinfo.js";
import { authorityOf, parseURL, type Target } from "./http1.js";
import { LiteUpdate } from "./lite-update.js";
import { Login, type LoginStep } from "./login.js";
import { MapPoll } from "./map-poll.js";
import { liteUpdateRequest, type MapFacts, mapPollRequest } from "./map-request.js";
import type { NoiseStream } from "./noise-stream.js";
import { PingResponder } from "./ping-request.js";
import { registerRequest } from "./register.js";
import { type Answer, type Request, Session } from "./session.js";
import {
	CAPABILITY_VERSION,
	type ControlCallbacks,
	type ControlOptions,
	type ControlState,
	type ControlStatus,
	DEFAULT_CONTROL_URL,
	DEGRADED_AFTER_MS,
	type HostFacts,
	type NetFacts,
	type OwnEndpoint,
} from "./types.js";

const BACKOFF_STEP_MS = 100;
const BACKOFF_LIMIT_MS = 30_000;
/** After "refused": rarely enough not to be a nuisance, often enough that a device heals when an administrator has. */
const REFUSED_STEP_MS = 60_000;
const REFUSED_LIMIT_MS = 3_600_000;
/** A session that lived this long was a good one: the next failure counts from 1. */
const GOOD_LIFE_MS = 60_000;
const REGISTER_MS = 30_000;
const LITE_UPDATE_MS = 120_000;
const LOGOUT_MS = 15_000;
/** While control holds a follow-up nothing comes for minutes: a PING tells a quiet connection from a dead one. */
const HOLD_PING_MS = 60_000;
const HOLD_PONG_MS = 30_000;
/** So many times in a row "I do not know this node key" lead back to registration. */
const UNKNOWN_LIMIT = 3;
const MAXIMUM_SLEEP_SECONDS = 300;
const MAXIMUM_ANSWER_BYTES = 65536;
const DEFAULT_WINDOW_BYTES = 16384;
const DEFAULT_FALLBACK_MS = 2000;

export class Control {
	readonly #options: ControlOptions;
	readonly #callbacks: ControlCallbacks;
	readonly #target: Target;
	readonly #authority: string;
	readonly #version: number;
	readonly #login: Login;
	readonly #dialMemory = new DialMemory();
	readonly #backoff = new Backoff(BACKOFF_STEP_MS, BACKOFF_LIMIT_MS);
	readonly #refusals = new Backoff(REFUSED_STEP_MS, REFUSED_LIMIT_MS);
	readonly #updateBackoff = new Backoff(BACKOFF_STEP_MS, BACKOFF_LIMIT_MS);
	readonly #lite = new LiteUpdate();
	readonly #pings: PingResponder;

	// What we tell control.
	#host: HostFacts;
	#net: NetFacts | undefined;
	#endpoints: readonly OwnEndpoint[] = [];
	#discoKey: Uint8Array;

	// Where we are.
	#phase: ControlStatus["phase"] = "idle";
	#state: ControlState = "stopped";
	#reason = "";
	#error: TailnetError | undefined;
	#toldError = "";
	#controlKey: Uint8Array | undefined;
	#isRegistered = false;
	#unknownCount = 0;
	#sessions = 0;
	#messages = 0;
	#lastMessageMS = 0;
	#sessionSinceMS = 0;
	#isClosed = false;
	#logout: { done: (error?: TailnetError) => void; timer: Timer } | undefined;

	// What is under way.
	#attempt: { close(): void } | undefined;
	#session: Session | undefined;
	#request: Request | undefined;
	#poll: MapPoll | undefined;
	#timer: Timer | undefined;
	#updateTimer: Timer | undefined;
	#holdTimer: Timer | undefined;
	#silenceTimer: Timer | undefined;

	/** @throws {TailnetError} "argument" if controlURL is no http or https URL, or a key has not 32 bytes */
	constructor(options: ControlOptions, callbacks: ControlCallbacks) {
		const target = parseURL(options.controlURL ?? DEFAULT_CONTROL_URL);
		if (!target) throw new TailnetError("argument", "controlURL: an http or https URL was expected");
		for (const key of [options.machinePrivateKey, options.nodePrivateKey, options.discoPublicKey]) {
			if (key.length !== 32) throw new TailnetError("argument", "keys of 32 bytes were expected");
		}
		this.#options = options;
		this.#callbacks = callbacks;
		this.#target = target;
		this.#authority = authorityOf(target.host, target.port, target.isTLS ? 443 : 80);
		this.#version = options.capabilityVersion ?? CAPABILITY_VERSION;
		this.#host = options.host;
		this.#discoKey = options.discoPublicKey;
		this.#login = new Login(options.nodePrivateKey, options.oldNodeKey, options.authKey ?? "", options.isKnown ?? false, (reason) =>
			callbacks.onNodeKeyWanted(reason),
		);
		const onPing = callbacks.onPing?.bind(callbacks);
		this.#pings = new PingResponder({
			authorities: options.authorities,
			onPing: onPing && ((type, address, done) => this.#tell(() => onPing(type, address, done))),
		});
	}

	get status(): ControlStatus {
		return {
			state: this.#state,
			reason: this.#reason,
			phase: this.#phase,
			transport: this.#session ? (this.#session.isTLS ? "tls" : "plain") : "",
			lastMessageMS: this.#lastMessageMS,
			sessionSinceMS: this.#session ? this.#sessionSinceMS : 0,
			failures: this.#backoff.failures + this.#refusals.failures,
			error: this.#error,
			sessions: this.#sessions,
			updates: this.#lite.count,
			messages: this.#messages,
			localAddress: this.#session?.localAddress ?? "",
		};
	}

	/** Begins; the first callback comes in a later turn. Idempotent. */
	start(): void {
		if (this.#isClosed || this.#phase !== "idle") return;
		this.#wait(0, () => {
			this.#setState("connecting", "");
			this.#connect();
		});
	}

	/** Where peers may find us. Sent when it differs from what control has. */
	updateEndpoints(endpoints: readonly OwnEndpoint[]): void {
		this.#endpoints = endpoints.slice();
		this.#updateSoon(0);
	}

	updateNetInfo(facts: NetFacts): void {
		this.#net = facts;
		this.#updateSoon(0);
	}

	/** Members that are given replace those before. */
	updateHostinfo(facts: Partial<HostFacts>): void {
		this.#host = { ...this.#host, ...facts };
		this.#updateSoon(0);
	}

	/** Our disco key is another one (32 bytes, public). */
	updateDiscoKey(key: Uint8Array): void {
		this.#discoKey = key.slice();
		this.#updateSoon(0);
	}

	/** Another auth key, or another try after "refused". Nothing while the node is registered. */
	retry(authKey?: string): void {
		if (this.#isClosed || this.#isRegistered || this.#phase === "idle") return;
		this.#login.begin(authKey);
		this.#refusals.reset();
		this.#toldError = "";
		this.reconnect();
	}

	/** The network under us changed: the present session is not trusted any more, connect again now. */
	reconnect(): void {
		if (this.#isClosed || (this.#phase === "idle" && !this.#logout)) return;
		this.#backoff.reset();
		this.#teardown();
		this.#wait(0, () => this.#connect());
	}

	/** Our node key has expired (seen in the map): asks for a new one and registers it. */
	keyExpired(): void {
		if (this.#isClosed || this.#phase === "idle" || this.#login.isRenewing) return;
		this.#isRegistered = false;
		this.reconnect();
		// In a later turn, like every callback.
		this.#wait(0, () => {
			this.#tell(() => this.#login.renew());
			this.#connect();
		});
	}

	/** Gives up the node key at control, then stops. done is called once, in a later turn; the owner forgets the node key whatever it says. */
	logout(done: (error?: TailnetError) => void): void {
		if (this.#isClosed || this.#logout) {
			startTimer(() => this.#tell(() => done(new TailnetError("closed", "the node is closed, or logging out already"))), 0);
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
		stopTimer(this.#silenceTimer);
		stopTimer(this.#logout?.timer);
		this.#pings.close();
		this.#phase = "idle";
		this.#state = "stopped";
	}

	// ---- To a session ----

	#connect(): void {
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
		if (this.#logout) this.#sendLogout(session);
		else if (this.#isRegistered) this.#startPoll(session);
		else this.#register(session);
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
		const body = registerRequest({ ...next, version: this.#version, hostinfo: this.#hostinfo(), ephemeral: this.#options.ephemeral ?? false });
		const request = {
			method: "POST",
			path: "/machine/register",
			headers: this.#balancer(next.nodeKey, next.oldNodeKey),
			body: utf8Encode(body),
		};
		if (isHeld) this.#watchHold(session);
		this.#request = session.ask(request, MAXIMUM_ANSWER_BYTES, isHeld ? 0 : REGISTER_MS, (error, answer) => {
			this.#request = undefined;
			stopTimer(this.#holdTimer);
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
				this.#setState(this.#login.isRenewing ? "key-expired" : "needs-login", "a person has to log in");
				this.#tell(() => this.#callbacks.onLogin(step.url));
				if (this.#session === session) this.#again(session);
				return;
			case "send":
				this.#again(session);
				return;
			case "wait":
				if (step.delayMS === 0) this.#failed(step.error);
				else {
					if (step.error.code !== "needs-login") this.#report(step.error);
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
				if (this.#state === "needs-login" || this.#state === "key-expired" || this.#state === "refused") this.#setState("connecting", "");
				if (step.wantsSignature)
					this.#report(new TailnetError("control-refused", "tailnet lock: an administrator has to sign this node before peers accept it"));
				this.#tell(() => this.#callbacks.onRegistered({ ...step, nodeKey: this.#login.nodeKey }));
				if (this.#session === session) this.#again(session);
		}
	}

	/** The next thing to do on a session that is in order. */
	#again(session: Session): void {
		if (session.isOver) this.#failed(new TailnetError("control-unreachable", "control goes away"), true);
		else if (this.#isRegistered) this.#startPoll(session);
		else this.#register(session);
	}

	#watchHold(session: Session): void {
		this.#holdTimer = startTimer(() => {
			this.#holdTimer = startTimer(
				() => this.#failed(new TailnetError("control-unreachable", "control does not answer while a login is open"), true),
				HOLD_PONG_MS,
			);
			session.ping(() => {
				stopTimer(this.#holdTimer);
				this.#watchHold(session);
			});
		}, HOLD_PING_MS);
	}

	#refuse(error: TailnetError): void {
		this.#teardown();
		this.#login.begin();
		this.#report(error);
		this.#setState("refused", error.message);
		this.#wait(this.#refusals.next(), () => this.#connect());
	}

	// ---- Map poll and lite updates ----

	#startPoll(session: Session): void {
		this.#phase = "polling";
		this.#poll = new MapPoll({
			session,
			request: { method: "POST", path: "/machine/map", headers: this.#balancer(this.#login.nodeKey), body: utf8Encode(mapPollRequest(this.#mapFacts())) },
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
		this.#lite.begin();
		this.#updateBackoff.reset();
		this.#sendUpdate();
	}

	#message(session: Session, message: MapMessage): void {
		this.#messages += 1;
		this.#lastMessageMS = monotonicMS();
		this.#unknownCount = 0;
		this.#error = undefined;
		this.#toldError = "";
		if (this.#lastMessageMS - this.#sessionSinceMS >= GOOD_LIFE_MS) this.#backoff.reset();
		stopTimer(this.#silenceTimer);
		this.#silenceTimer = startTimer(() => this.#silent(), DEGRADED_AFTER_MS);
		this.#setState("running", "");
		if (message.pingRequest) {
			const request = message.pingRequest;
			this.#tell(() => this.#pings.receive(request, session));
		}
		this.#tell(() => this.#callbacks.onMap(message));
		if (this.#session !== session || !message.debug) return;
		const { Exit, SleepSeconds } = message.debug;
		if (typeof Exit === "number") {
			this.#teardown();
			stopTimer(this.#silenceTimer);
			this.#phase = "idle";
			this.#setState("stopped", `control asked the node to exit (code ${Exit})`);
		} else if (typeof SleepSeconds === "number" && SleepSeconds > 0) {
			this.#teardown();
			this.#wait(Math.min(SleepSeconds, MAXIMUM_SLEEP_SECONDS) * 1000, () => this.#connect());
		}
	}

	#silent(): void {
		if (this.#state === "running") this.#setState("degraded", this.#error?.message ?? `no message of control for ${DEGRADED_AFTER_MS / 1000} s`);
	}

	#updateSoon(delayMS: number): void {
		if (!this.#poll) return;
		stopTimer(this.#updateTimer);
		this.#updateTimer = startTimer(() => this.#sendUpdate(), delayMS);
	}

	#sendUpdate(): void {
		const session = this.#session;
		if (!session || !this.#poll || session.isOver) return;
		const text = liteUpdateRequest(this.#mapFacts());
		if (!this.#lite.isDue(text)) return;
		this.#lite.sent(text);
		const request = { method: "POST", path: "/machine/map", headers: this.#balancer(this.#login.nodeKey), body: utf8Encode(text) };
		// Some servers answer with the whole map: it is let through and dropped.
		session.ask(request, 200, LITE_UPDATE_MS, (error, answer) => {
			if (this.#session !== session) return;
			const isAccepted = !error && answer.status === 200;
			this.#lite.ended(isAccepted);
			if (isAccepted) this.#updateBackoff.reset();
			else if (!session.isOver) {
				log("warning", `control: lite update failed: ${error ? error.message : `status ${answer.status}`}`);
				this.#updateSoon(this.#updateBackoff.next());
				return;
			}
			this.#sendUpdate();
		});
	}

	// ---- Logout ----

	#sendLogout(session: Session): void {
		this.#request?.close();
		const { nodeKey, authKey } = this.#login;
		const facts = {
			version: this.#version,
			nodeKey,
			oldNodeKey: undefined,
			hostinfo: this.#hostinfo(),
			ephemeral: false,
			authKey,
			followup: "",
			isLogout: true,
		};
		const request = { method: "POST", path: "/machine/register", headers: this.#balancer(nodeKey), body: utf8Encode(registerRequest(facts)) };
		this.#request = session.ask(request, MAXIMUM_ANSWER_BYTES, LOGOUT_MS, (error, answer) => {
			this.#request = undefined;
			if (error) this.#loggedOut(error);
			else if (answer.status !== 200) this.#loggedOut(new TailnetError("control-refused", `control answered the logout with status ${answer.status}`));
			else this.#loggedOut(undefined);
		});
	}

	#loggedOut(error: TailnetError | undefined): void {
		const logout = this.#logout;
		if (!logout || this.#isClosed) return;
		this.#logout = undefined;
		stopTimer(logout.timer);
		stopTimer(this.#silenceTimer);
		this.#teardown();
		this.#phase = "idle";
		this.#isRegistered = false;
		this.#setState("stopped", "logged out");
		this.#tell(() => logout.done(error));
	}

	// ---- Failures ----

	/** What is under way has failed: close it all, and begin again after a while. isOrderly: worth a word only if it cannot be made good. */
	#failed(error: TailnetError, isOrderly = false): void {
		if (this.#isClosed) return;
		this.#teardown();
		if (this.#logout) {
			this.#loggedOut(error);
			return;
		}
		if (isOrderly) this.#error = error;
		else this.#report(error);
		this.#wait(this.#backoff.next(), () => this.#connect());
	}

	#report(error: TailnetError): void {
		this.#error = error;
		const text = `${error.code} ${error.message}`;
		if (text === this.#toldError) return;
		this.#toldError = text;
		this.#tell(() => this.#callbacks.onError(error));
	}

	/** Ends session, requests and timers of this attempt. */
	#teardown(): void {
		stopTimer(this.#timer);
		stopTimer(this.#updateTimer);
		stopTimer(this.#holdTimer);
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

	#setState(state: ControlState, reason: string): void {
		if (this.#isClosed || (state === this.#state && reason === this.#reason)) return;
		this.#state = state;
		this.#reason = reason;
		this.#tell(() => this.#callbacks.onState(state, reason));
	}

	/** Calls the owner; what it throws is its own fault, and must not end the session. */
	#tell(call: () => void): void {
		if (this.#isClosed) return;
		try {
			call();
		} catch (error) {
			log("error", `control: a callback threw: ${error instanceof Error ? error.message : "not an Error"}`);
		}
	}

	// ---- What we say of ourselves ----

	#hostinfo(): JSONObject {
		return hostinfo(this.#host, this.#net, this.#options.tags ?? []);
	}

	#mapFacts(): MapFacts {
		return { version: this.#version, nodeKey: this.#login.nodeKey, discoKey: this.#discoKey, hostinfo: this.#hostinfo(), endpoints: this.#endpoints };
	}

	/** A hint for the load balancer in front of Tailscale's servers. */
	#balancer(...keys: (Uint8Array | undefined)[]): [string, string][] {
		return keys.flatMap((key): [string, string][] => (key ? [["ts-lb", keyToText("nodekey:", key)]] : []));
	}
}
