/*
 * What the modules of hosts/xs have in C: the only file that names C functions. Each body is one native call, so that the compiler makes it the C function itself.
 * Results that are bytes go into the buffer given first. Types are in native.d.ts.
 */

export function random(out) {
	return native("xs_tn_random").call(this, out);
}
export function x25519(out, privateKey, publicKey) {
	return native("xs_tn_x25519").call(this, out, privateKey, publicKey);
}
export function x25519Public(out, privateKey) {
	return native("xs_tn_x25519_public").call(this, out, privateKey);
}
export function blake2s(out, ...parts) {
	return native("xs_tn_blake2s").call(this, out, ...parts);
}
export function hkdfBlake2s(out, salt, inputKey) {
	return native("xs_tn_hkdf_blake2s").call(this, out, salt, inputKey);
}
export function aeadSeal(out, key, nonce, associatedData, plaintext) {
	return native("xs_tn_aead_seal").call(this, out, key, nonce, associatedData, plaintext);
}
export function aeadOpen(out, key, nonce, associatedData, sealed) {
	return native("xs_tn_aead_open").call(this, out, key, nonce, associatedData, sealed);
}
export function boxSharedKey(out, privateKey, publicKey) {
	return native("xs_tn_box_shared_key").call(this, out, privateKey, publicKey);
}
export function boxSeal(out, sharedKey, nonce, plaintext) {
	return native("xs_tn_box_seal").call(this, out, sharedKey, nonce, plaintext);
}
export function boxOpen(out, sharedKey, nonce, sealed) {
	return native("xs_tn_box_open").call(this, out, sharedKey, nonce, sealed);
}
export function argon2i(out, secret, salt) {
	return native("xs_tn_argon2i").call(this, out, secret, salt);
}
export function ed25519Verify(publicKey, message, signature) {
	return native("xs_tn_ed25519_verify").call(this, publicKey, message, signature);
}
export function equalBytes(a, b) {
	return native("xs_tn_equal_bytes").call(this, a, b);
}
export function wipe(bytes) {
	return native("xs_tn_wipe").call(this, bytes);
}
export function crc32(bytes, lengthBytes) {
	return native("xs_tn_crc32").call(this, bytes, lengthBytes);
}
export function utf8Decode(bytes) {
	return native("xs_tn_utf8_decode").call(this, bytes);
}

export function monotonicMS() {
	return native("xs_tn_monotonic").call(this);
}
export function wallClockMS() {
	return native("xs_tn_wall_clock").call(this);
}
export function machineFact(fact) {
	return native("xs_tn_machine_fact").call(this, fact);
}
export function localAddresses() {
	return native("xs_tn_local_addresses").call(this);
}
export function defaultGateway() {
	return native("xs_tn_default_gateway").call(this);
}
export function log(text) {
	return native("xs_tn_log").call(this, text);
}

export class Alarm extends Native("xs_tn_alarm_destructor") {
	constructor(callback, delayMS) {
		super();
		native("xs_tn_alarm").call(this, callback, delayMS);
	}
	stop() {
		return native("xs_tn_alarm_stop").call(this);
	}
}

export class JSONScanner extends Native("xs_tn_json_destructor") {
	constructor(schema, bufferBytes) {
		super();
		native("xs_tn_json").call(this, schema, bufferBytes);
	}
	push(bytes, onValue) {
		return native("xs_tn_json_push").call(this, bytes, onValue);
	}
	reset() {
		return native("xs_tn_json_reset").call(this);
	}
	get peakBytes() {
		return native("xs_tn_json_peak").call(this);
	}
}

export class NativeTunnel extends Native("xs_tn_tunnel_destructor") {
	constructor(configuration, onWake) {
		super();
		native("xs_tn_tunnel").call(this, configuration, onWake);
	}
	get port() {
		return native("xs_tn_tunnel_port").call(this);
	}
	send(record) {
		return native("xs_tn_tunnel_send").call(this, record);
	}
	receive(buffer) {
		return native("xs_tn_tunnel_receive").call(this, buffer);
	}
	openSocket() {
		return native("xs_tn_tunnel_open_socket").call(this);
	}
	streamWrite(socket, bytes) {
		return native("xs_tn_tunnel_stream_write").call(this, socket, bytes);
	}
	streamRead(socket, into) {
		return native("xs_tn_tunnel_stream_read").call(this, socket, into);
	}
	derpReceive(region, bytes) {
		return native("xs_tn_tunnel_derp_receive").call(this, region, bytes);
	}
	derpReset(region) {
		return native("xs_tn_tunnel_derp_reset").call(this, region);
	}
	derpSend(region, buffer) {
		return native("xs_tn_tunnel_derp_send").call(this, region, buffer);
	}
	counters(each) {
		return native("xs_tn_tunnel_counters").call(this, each);
	}
	close() {
		return native("xs_tn_tunnel_close").call(this);
	}
}

export class Stream extends Native("xs_tn_stream_destructor") {
	constructor(onEvent, address, port, connectTimeoutMS, timeoutMS, hasTLS, serverName, expected, sha256, authorities, isUnverified) {
		super();
		native("xs_tn_stream").call(this, onEvent, address, port, connectTimeoutMS, timeoutMS, hasTLS, serverName, expected, sha256, authorities, isUnverified);
	}
	write(bytes, offset) {
		return native("xs_tn_stream_write").call(this, bytes, offset);
	}
	read(into) {
		return native("xs_tn_stream_read").call(this, into);
	}
	get pendingBytes() {
		return native("xs_tn_stream_pending").call(this);
	}
	get localAddress() {
		return native("xs_tn_stream_local").call(this);
	}
	get code() {
		return native("xs_tn_stream_code").call(this);
	}
	get reason() {
		return native("xs_tn_stream_reason").call(this);
	}
	close() {
		return native("xs_tn_stream_close").call(this);
	}
}

export class Lookup extends Native("xs_tn_lookup_destructor") {
	constructor(host, onDone) {
		super();
		native("xs_tn_lookup").call(this, host, onDone);
	}
}

export class NativeStore extends Native("xs_tn_store_destructor") {
	constructor(name) {
		super();
		native("xs_tn_store").call(this, name);
	}
	get(key) {
		return native("xs_tn_store_get").call(this, key);
	}
	set(key, value) {
		return native("xs_tn_store_set").call(this, key, value);
	}
	delete(key) {
		return native("xs_tn_store_delete").call(this, key);
	}
}
