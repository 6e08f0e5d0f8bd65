/** A Control with callbacks that write down what they hear. */
import { Control } from "../../../modules/control/control.js";
import type { ControlOptions, MapMessage, PingAnswer, Registration } from "../../../modules/control/types.js";
import type { TailnetError } from "../../../modules/errors.js";
import { randomBytes, x25519PublicKey } from "../../xs/host.js";
import { PlainReader } from "./plain-reader.js";

export class NodeUnderTest {
	readonly control: Control;
	readonly reader = new PlainReader();
	readonly states: string[] = [];
	readonly logins: string[] = [];
	readonly registrations: Registration[] = [];
	readonly messages: MapMessage[] = [];
	readonly errors: TailnetError[] = [];
	readonly pings: { type: string; address: string; done: (answer: PingAnswer) => void }[] = [];
	readonly newKeys: Uint8Array[] = [];
	readonly machinePrivateKey: Uint8Array;
	readonly nodePrivateKey: Uint8Array;

	/** @param url an address literal, so that no name has to be resolved */
	constructor(url = "http://192.0.2.1", options: Partial<ControlOptions> = {}) {
		this.machinePrivateKey = options.machinePrivateKey ?? randomBytes(32);
		this.nodePrivateKey = options.nodePrivateKey ?? randomBytes(32);
		this.control = new Control(
			{
				controlURL: url,
				authKey: "tskey-auth-good",
				discoPublicKey: x25519PublicKey(randomBytes(32)),
				host: { hostname: "greenhouse" },
				mapReader: this.reader,
				...options,
				machinePrivateKey: this.machinePrivateKey,
				nodePrivateKey: this.nodePrivateKey,
			},
			{
				onState: (state, reason) => this.states.push(reason ? `${state}: ${reason}` : state),
				onLogin: (url) => this.logins.push(url),
				onRegistered: (registration) => this.registrations.push(registration),
				onNodeKeyWanted: () => {
					const key = randomBytes(32);
					this.newKeys.push(key);
					return key;
				},
				onMap: (message) => this.messages.push(message),
				onPing: (type, address, done) => this.pings.push({ type, address, done }),
				onError: (error) => this.errors.push(error),
			},
		);
	}

	get nodeKey(): Uint8Array {
		return x25519PublicKey(this.nodePrivateKey);
	}

	get codes(): string[] {
		return this.errors.map((error) => error.code);
	}
}
