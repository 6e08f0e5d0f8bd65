/*
 * Who calls what on which stack, and how deep that may go. One place for all that the call graph cannot know by itself: the functions that each thread
 * begins with, what is behind calls through pointers, and the frames of functions that are not compiled here.
 */

/** Functions that lwIP calls back: netif, sockets. */
const calledBack = {
	setUp: ["tn_netif.c:set_up"],
	output4: ["tn_netif.c:output_ip4"],
	output6: ["tn_netif.c:output_ip6"],
	receive: ["tn_stream.c:on_receive"],
	sent: ["tn_stream.c:on_sent"],
	poll: ["tn_stream.c:on_poll"],
	error: ["tn_stream.c:on_error"],
	connected: ["tn_stream.c:on_connected"],
	accept: ["tn_listener.c:on_accept"],
	datagram: ["tn_datagram.c:on_receive"],
	outside: ["tn_datagram.c:on_outside"],
};

/**
 * @typedef thread
 * @property limit bytes below each entry; for each target where the targets differ
 * @property why that limit
 * @property isOfLwip no cipher and no curve may run there
 * @property entries functions, by name or pattern
 */
export const threads = [
	{
		name: "VM",
		limit: 3072,
		why: "the VM's task has 8 KB (SDK), of which the interpreter and the host function above need more than half",
		entries: [
			"tn_node_create",
			"tn_node_destroy",
			/^tn_node_vm_/,
			"tn_json_init",
			"tn_json_push",
			"tn_json_check_schema",
			"tn_blake2s_init",
			"tn_blake2s_update",
			"tn_blake2s_final",
			/^tn_kdf[123]$/,
			"tn_x25519",
			"tn_x25519_public",
			"crypto_aead_chacha20poly1305_ietf_encrypt",
			"crypto_aead_chacha20poly1305_ietf_decrypt",
			"crypto_box_beforenm",
			"crypto_box_easy_afternm",
			"crypto_box_open_easy_afternm",
		],
	},
	{
		name: "lock",
		limit: 4096,
		why: "the task that verifies a signature has 4,608 bytes (hosts/esp32/tn_ed25519_esp32.c)",
		entries: ["crypto_sign_verify_detached"],
	},
	{
		name: "tunnel",
		limit: 5120,
		why: "its task has 6 KB on the ESP32 (hosts/esp32); the loop around it, its interrupts and, on Xtensa, register windows take the rest",
		entries: ["tn_node_start", "tn_node_stop", "tn_node_begin", "tn_node_receive", "tn_node_turn", "tn_node_may_sleep", "tn_node_awake", "tn_node_udp_error"],
	},
	{
		name: "called by lwIP",
		limit: { rv32imc: 1664, lx106: 1920 },
		isOfLwip: true,
		why: "lwIP's own thread has 2,560 bytes (SDK), and lwIP needs some 600 above a callback",
		entries: Object.values(calledBack).flat(),
	},
	{
		name: "lwIP's own",
		limit: 2304,
		isOfLwip: true,
		why: "the same thread from where it is visited (tn_port_stack) or serves its timers: 256 bytes are above",
		entries: ["tn_node.c:run_visit", "tcp_tmr"],
	},
];

/** What is behind a call, by "file.c: text of the call". The first line that matches decides; an empty list: nothing of ours, or nothing at all. */
export const pointers = [
	/* native */
	{ call: /^tn_node\.c: .*visit->work\(/, to: ["start_stack", "stop_stack", "take_stack_commands", "turn_stack"].map((name) => `tn_node.c:${name}`) },
	{ call: /^tn_derp\.c: callback\(/, to: ["tn_node_vm.c:derp_packet"] },
	{ call: /^tn_filter\.c: .*has_capability\(/, to: ["tn_tunnel_in.c:has_capability"] },
	{ call: /^tn_json\.c: .*callback\(/, to: ["(host) JSON callback"] },
	{ call: /^tn_tunnel_in\.c: .*upper\.deliver\(/, to: ["tn_node.c:deliver"] },
	{ call: /^tn_tunnel_answer\.c: .*upper\.refused\(/, to: ["tn_node.c:refuse"] },
	{
		call: /^tn_node\.c: visit->work\(/,
		to: ["tn_node.c:start_stack", "tn_node.c:stop_stack", "tn_node.c:take_stack_commands", "tn_node.c:turn_stack", "tn_node_command.c:readdress"],
	},
	{ call: /^tn_wireguard.*\.c: .*host\.has_staged\(/, to: ["tn_tunnel.c:has_staged"] },
	{ call: /^tn_wireguard.*\.c: .*host\.send\(/, to: ["tn_tunnel.c:send_message"] },
	{ call: /^tn_wireguard.*\.c: .*host\.drop_staged\(/, to: ["tn_tunnel.c:drop_staged"] },
	{ call: /^tn_wireguard.*\.c: .*host\.idle\(/, to: ["tn_tunnel.c:idle"] },
	/* lwIP: ours is the only interface here, as it is the only one that its calls from ours lead to */
	{ call: /^(ip4|ip4_frag)\.c: .*netif->output\(/, to: calledBack.output4 },
	{ call: /^(ip6|ip6_frag|nd6)\.c: .*netif->output_ip6\(/, to: calledBack.output6 },
	{ call: /^nd6\.c: .*->output_ip6\(/, to: calledBack.output6 },
	{ call: /^netif\.c: .*init\(netif\)/, to: calledBack.setUp },
	{ call: /^(igmp|mld6)\.c: .*_mac_filter\(/, to: [] },
	{ call: /^ethernet\.c: .*linkoutput\(/, to: [] },
	{ call: /^raw\.c: /, to: [] },
	{ call: /^udp\.c: pcb->recv\(/, to: calledBack.datagram },
	{ call: /^tcp.*\.c: TCP_EVENT_(RECV|CLOSED)\(/, to: calledBack.receive },
	{ call: /^tcp.*\.c: TCP_EVENT_SENT\(/, to: calledBack.sent },
	{ call: /^tcp.*\.c: TCP_EVENT_POLL\(/, to: calledBack.poll },
	{ call: /^tcp.*\.c: TCP_EVENT_ERR\(/, to: calledBack.error },
	{ call: /^tcp.*\.c: TCP_EVENT_CONNECTED\(/, to: calledBack.connected },
	{ call: /^tcp.*\.c: TCP_EVENT_ACCEPT\(/, to: calledBack.accept },
	{ call: /^pbuf\.c: .*custom_free_function\(/, to: ["tn_coalesce.c:part_freed"] },
	{ call: /^timeouts\.c: handler\(/, to: ["timeouts.c:lwip_cyclic_timer"] },
	{ call: /^timeouts\.c: cyclic->handler\(/, to: ["tcp_tmr", "etharp_tmr", "igmp_tmr", "nd6_tmr", "mld6_tmr"] },
	/* libsodium: its portable implementations, the only ones there are on these processors */
	{ call: /^scalarmult_curve25519\.c: .*->mult\(/, to: ["x25519_ref10.c:crypto_scalarmult_curve25519_ref10"] },
	{ call: /^scalarmult_curve25519\.c: .*->mult_base\(/, to: ["x25519_ref10.c:crypto_scalarmult_curve25519_ref10_base"] },
	{ call: /^stream_chacha20\.c: .*->stream_ietf_ext\(/, to: ["chacha20_ref.c:stream_ietf_ext_ref"] },
	{ call: /^stream_chacha20\.c: .*->stream_ietf_ext_xor_ic\(/, to: ["chacha20_ref.c:stream_ietf_ext_ref_xor_ic"] },
	{ call: /^stream_salsa20\.c: .*->stream\(/, to: ["salsa20_ref.c:stream_ref"] },
	{ call: /^stream_salsa20\.c: .*->stream_xor_ic\(/, to: ["salsa20_ref.c:stream_ref_xor_ic"] },
	...["init", "update", "final", "verify"].map((step) => ({
		call: new RegExp(`^onetimeauth_poly1305\\.c: .*->onetimeauth_${step}\\(`),
		to: [`poly1305_donna.c:crypto_onetimeauth_poly1305_donna_${step}`],
	})),
	{ call: /^core\.c: handler\(/, to: [] },
];

const integers = ["__ashldi3", "__lshrdi3", "__muldi3", "__divsi3", "__modsi3", "__udivsi3", "__umodsi3", "__mulsi3", "__clzsi2", "__ffssi2", "__popcountsi2"];
const longIntegers = ["__udivdi3", "__umoddi3", "__divdi3", "__moddi3"];
const doubles = ["__floatundidf", "__floatunsidf", "__floatdidf", "__floatsidf", "__adddf3", "__muldf3", "__subdf3"];
const atomics = ["exchange", "compare_exchange", "fetch_add", "fetch_sub", "fetch_or", "fetch_and", "load", "store"].map((name) => `__atomic_${name}_4`);
const each = (names, bytes) => Object.fromEntries(names.map((name) => [name, bytes]));

/**
 * Bytes below functions that are not compiled here. Of C libraries and of libgcc an upper bound of what their disassembly shows; of a host, what it is
 * allowed: tn_port.h's functions may not need more.
 */
export const declared = {
	...each(["memcpy", "memset", "memmove", "memcmp", "strchr", "strlen"], 32),
	...each(integers, 32),
	...each(longIntegers, 64),
	...each(doubles, 96),
	...each(atomics, 48),
	/* heap of a host: ESP-IDF's heap_caps_calloc */
	...each(["tn_port_allocate", "tn_port_free", "malloc", "calloc", "free"], 256),
	...each(["tn_port_lock", "tn_port_unlock", "tn_port_kick", "tn_port_wake", "sys_now"], 192),
	/* a stream cipher: hosts/esp32/tn_random_esp32.c */
	tn_port_random: 576,
	/* hands a batch to the UDP sockets, on the ESP32 through the lwIP thread */
	...each(["tn_port_send", "tn_port_rebind"], 384),
	/* waits for the lwIP thread, whose stack what it runs is on (run_visit) */
	tn_port_stack: 256,
	/* Sockets on the network below: lwIP's own, or those of a system. What is ready is told from tn_outside_serve. */
	...each(["tn_outside_udp", "tn_outside_receive", "tn_outside_close"], 256),
	tn_outside_send: 640,
	tn_outside_is_ready: 32,
	tn_outside_serve: 640,
	/* copies one value of a map message for JavaScript */
	"(host) JSON callback": 512,
	/* Assertions of lwIP and libsodium that never return. */
	...each(["printf", "abort"], 0),
};
