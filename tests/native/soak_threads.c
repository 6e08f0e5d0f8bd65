/*
 * Two nodes on the POSIX host, each driven by a VM thread of its own, over loopback UDP and then over a relay between the VM threads: echo of random pieces,
 * connections that come and go, datagrams, configuration that changes meanwhile, nodes that close in the middle. Built with ThreadSanitizer by threads.js.
 *
 *   soak_threads SECONDS
 *
 * Ends 0 when every byte was right and every connection ended.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tn_bytes.h"
#include "tn_crypto.h"
#include "tn_host.h"
#include "tn_records.h"

#define STREAMS 4
#define PIECE 20000
#define REGION 1
#define RELAY_BYTES 65536

struct vm {
	unsigned number;
	struct tn_host *posix;
	struct tn_node *node;
	uint8_t private_key[32], public_key[32];
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_woken;
	/* What the client has sent and got back, by slot. */
	uint32_t handle[STREAMS], sent[STREAMS], received[STREAMS];
	_Atomic uint64_t echoed;
	uint64_t datagrams, closed, errors;
	uint32_t udp;
	uint8_t left[1024][PIECE];
	uint32_t left_length[1024];
	/* Frames for this node that the other one's VM has taken; under the lock. */
	uint8_t relayed[RELAY_BYTES];
	size_t relayed_length;
};

static _Atomic bool is_over;
static bool is_relayed;
static struct vm vms[2];

static void wake(void *context)
{
	struct vm *vm = context;
	pthread_mutex_lock(&vm->lock);
	vm->is_woken = true;
	pthread_cond_signal(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

static void send(struct vm *vm, uint8_t *record, size_t length, uint8_t type, uint8_t flags, uint16_t argument)
{
	record[0] = type;
	record[1] = flags;
	tn_store16le(record + 2, argument);
	while (!tn_node_vm_send(vm->node, record, length)) {
	}
}

static void address(uint8_t out[16], unsigned number)
{
	memset(out, 0, 16);
	out[10] = out[11] = 0xff;
	out[12] = 100;
	out[13] = 64;
	out[15] = (uint8_t)number;
}

static void identity(const struct vm *vm, uint8_t record[108])
{
	memset(record, 0, 108);
	record[0] = TN_COMMAND_IDENTITY;
	memcpy(record + 4, vm->private_key, 32);
	record[68] = 100;
	record[69] = 64;
	record[71] = (uint8_t)vm->number;
	tn_store64le(record + 92, 1700000000000u + tn_host_now_ms());
	tn_store64le(record + 100, 1900000000);
}

static void open_filter(struct vm *vm)
{
	uint8_t record[4 + 48 + 48 + 16 + 32 + 8] = {0};
	uint8_t *block = record + 4, *at = block + 48;
	uint32_t own = 0x64400000u + vm->number;
	memcpy(block, "TNF1", 4);
	tn_store32le(block + 4, sizeof record - 4);
	tn_store32le(block + 8, 2);
	tn_store32le(block + 12, 1);
	tn_store32le(block + 20, 1);
	tn_store32le(block + 24, 1);
	tn_store32le(at + 4, 1);
	tn_store32le(at + 24, 1);
	at[46] = 1;
	at += 48;
	tn_store32le(at, own);
	tn_store32le(at + 4, own);
	tn_store16le(at + 10, 65535);
	at[12] = 1;
	at += 16;
	memset(at, 0xff, 32);
	tn_store32le(at + 32, own);
	tn_store32le(at + 36, own);
	send(vm, record, sizeof record, TN_COMMAND_FILTER, 0, 0);
}

/** The relay: frames of this node become frames for the other one. */
static void relay_out(struct vm *vm)
{
	struct vm *other = &vms[2 - vm->number];
	pthread_mutex_lock(&other->lock);
	size_t length = tn_node_vm_derp_send(vm->node, REGION, other->relayed + other->relayed_length, RELAY_BYTES - other->relayed_length);
	for (size_t at = 0; at < length;) {
		uint8_t *frame = other->relayed + other->relayed_length + at;
		frame[0] = 5;
		memcpy(frame + 5, vm->public_key, 32);
		at += 5 + tn_load32be(frame + 1);
	}
	other->relayed_length += length;
	pthread_cond_signal(&other->changed);
	pthread_mutex_unlock(&other->lock);
}

static void relay_in(struct vm *vm)
{
	static _Thread_local uint8_t bytes[RELAY_BYTES];
	const uint8_t *rest;
	pthread_mutex_lock(&vm->lock);
	size_t length = vm->relayed_length;
	memcpy(bytes, vm->relayed, length);
	vm->relayed_length = 0;
	pthread_mutex_unlock(&vm->lock);
	for (size_t at = 0; at < length;) {
		size_t piece = 1 + (size_t)rand() % 5000;
		if (piece > length - at)
			piece = length - at;
		vm->errors += tn_node_vm_derp_receive(vm->node, REGION, bytes + at, piece, tn_host_now_ms(), &rest) != 0;
		at += piece;
	}
}

static void peer(struct vm *vm, struct vm *other)
{
	uint8_t record[64 + 18] = {0}, path[36] = {0};
	tn_store32le(record + 4, 1u << 16);
	memcpy(record + 8, other->public_key, 32);
	tn_store16le(record + 62, 1);
	address(record + 64, other->number);
	record[80] = 128;
	record[81] = 1;
	send(vm, record, sizeof record, TN_COMMAND_PEER, 0, is_relayed ? REGION : 0);
	if (is_relayed) {
		send(vm, record, 4, TN_COMMAND_DERP_STATE, 1, REGION);
		return;
	}
	tn_store32le(path + 4, 1u << 16);
	path[18] = path[19] = 0xff;
	path[20] = 127;
	path[23] = 1;
	tn_store16be(path + 24, tn_host_port(other->posix));
	tn_store64le(path + 28, UINT64_MAX);
	send(vm, path, sizeof path, TN_COMMAND_PATH, 0, 0);
}

static void close_socket(struct vm *vm, uint32_t handle, bool is_abort)
{
	uint8_t record[8];
	tn_store32le(record + 4, handle);
	send(vm, record, sizeof record, TN_COMMAND_SOCKET_CLOSE, is_abort, 0);
	vm->left_length[handle & 0xffff] = 0;
}

static void connect_stream(struct vm *vm, unsigned i)
{
	uint8_t record[24];
	vm->handle[i] = tn_node_vm_open(vm->node);
	vm->sent[i] = vm->received[i] = 0;
	tn_store32le(record + 4, vm->handle[i]);
	address(record + 8, 3 - vm->number);
	send(vm, record, sizeof record, TN_COMMAND_TCP_CONNECT, 1, 7);
}

static int stream_of(const struct vm *vm, uint32_t handle)
{
	for (int i = 0; i < STREAMS; i++) {
		if (vm->handle[i] == handle)
			return i;
	}
	return -1;
}

static void write_client(struct vm *vm, int i)
{
	uint8_t piece[PIECE];
	while (vm->sent[i] < 2000000) {
		size_t length = 1 + (size_t)rand() % sizeof piece, taken;
		for (size_t j = 0; j < length; j++)
			piece[j] = (uint8_t)((vm->sent[i] + j) % 251);
		taken = tn_node_vm_write(vm->node, vm->handle[i], piece, length);
		vm->sent[i] += (uint32_t)taken;
		if (taken < length)
			return;
	}
}

static void read_client(struct vm *vm, int i)
{
	uint8_t piece[PIECE];
	size_t length;
	while ((length = tn_node_vm_read(vm->node, vm->handle[i], piece, sizeof piece)) > 0) {
		for (size_t j = 0; j < length; j++)
			vm->errors += piece[j] != (uint8_t)((vm->received[i] + j) % 251);
		vm->received[i] += (uint32_t)length;
		vm->echoed += length;
	}
	if (vm->received[i] >= 2000000 || rand() % 500 == 0) {
		close_socket(vm, vm->handle[i], rand() % 2 == 0);
		connect_stream(vm, (unsigned)i);
	}
}

/** The server's side: everything goes back. */
static void echo(struct vm *vm, uint32_t handle)
{
	uint32_t slot = handle & 0xffff;
	for (;;) {
		if (vm->left_length[slot] > 0) {
			uint32_t taken = (uint32_t)tn_node_vm_write(vm->node, handle, vm->left[slot], vm->left_length[slot]);
			memmove(vm->left[slot], vm->left[slot] + taken, vm->left_length[slot] - taken);
			vm->left_length[slot] -= taken;
			if (vm->left_length[slot] > 0)
				return;
		}
		vm->left_length[slot] = (uint32_t)tn_node_vm_read(vm->node, handle, vm->left[slot], PIECE);
		if (vm->left_length[slot] == 0)
			return;
	}
}

static void handle_event(struct vm *vm, const uint8_t *event)
{
	uint32_t handle = tn_load32le(event + 4);
	int stream = event[0] >= TN_EVENT_CONNECTED ? stream_of(vm, handle) : -1;
	switch (event[0]) {
	case TN_EVENT_READABLE:
		if (stream >= 0)
			read_client(vm, stream);
		else
			echo(vm, handle);
		break;
	case TN_EVENT_WRITABLE:
		if (stream >= 0)
			write_client(vm, stream);
		else
			echo(vm, handle);
		break;
	case TN_EVENT_CLOSED:
		vm->closed++;
		close_socket(vm, handle, false);
		if (stream >= 0)
			connect_stream(vm, (unsigned)stream);
		break;
	case TN_EVENT_UDP_RECEIVED:
		vm->datagrams++;
		break;
	case TN_EVENT_DERP_READY:
		relay_out(vm);
		break;
	default:
		break;
	}
}

static void say_something(struct vm *vm)
{
	uint8_t record[24 + 100] = {0};
	tn_store32le(record + 4, vm->udp);
	address(record + 8, 3 - vm->number);
	send(vm, record, sizeof record, TN_COMMAND_UDP_SEND, 0, 9);
	if (rand() % 100 == 0)
		open_filter(vm);
	if (rand() % 100 == 0)
		peer(vm, &vms[2 - vm->number]);
	if (rand() % 1000 == 0) {
		tn_store32le(record + 4, 1u << 16);
		send(vm, record, 8, TN_COMMAND_SESSION_DROP, 0, 0);
	}
}

static void *run(void *context)
{
	struct vm *vm = context;
	uint8_t event[4096], record[8];
	uint32_t listener = tn_node_vm_open(vm->node);
	tn_store32le(record + 4, listener);
	send(vm, record, sizeof record, TN_COMMAND_TCP_LISTEN, 0, 7);
	vm->udp = tn_node_vm_open(vm->node);
	tn_store32le(record + 4, vm->udp);
	send(vm, record, sizeof record, TN_COMMAND_UDP_BIND, 0, 9);
	for (unsigned i = 0; i < STREAMS; i++)
		connect_stream(vm, i);
	while (!is_over) {
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 10000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&vm->lock);
		if (!vm->is_woken && vm->relayed_length == 0)
			pthread_cond_timedwait(&vm->changed, &vm->lock, &until);
		bool is_woken = vm->is_woken;
		vm->is_woken = false;
		pthread_mutex_unlock(&vm->lock);
		if (is_woken) {
			tn_node_vm_wake(vm->node);
			while (tn_node_vm_receive(vm->node, event, sizeof event) > 0)
				handle_event(vm, event);
		}
		if (is_relayed) {
			relay_in(vm);
			relay_out(vm);
		}
		say_something(vm);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 3;
	uint64_t echoed[2] = {0}, errors = 0, datagrams = 0;
	for (int round = 0; round < 2; round++) {
		pthread_t threads[2];
		is_over = false;
		is_relayed = round == 1;
		for (unsigned i = 0; i < 2; i++) {
			uint8_t record[108];
			const char *error;
			memset(&vms[i], 0, sizeof vms[i]);
			vms[i].number = i + 1;
			pthread_mutex_init(&vms[i].lock, NULL);
			pthread_cond_init(&vms[i].changed, NULL);
			tn_x25519_generate(vms[i].private_key, vms[i].public_key);
			identity(&vms[i], record);
			vms[i].posix = tn_host_open(record, sizeof record, wake, &vms[i], &error);
			if (vms[i].posix == NULL) {
				printf("not ok - %s\n", error);
				return 1;
			}
			vms[i].node = tn_host_node(vms[i].posix);
			open_filter(&vms[i]);
		}
		peer(&vms[0], &vms[1]);
		peer(&vms[1], &vms[0]);
		for (unsigned i = 0; i < 2; i++)
			pthread_create(&threads[i], NULL, run, &vms[i]);
		/* Both begin at once: their handshakes may cross, which costs five seconds. */
		for (int i = 0; i < seconds * 5 || (i < 150 && vms[0].echoed + vms[1].echoed == 0); i++)
			nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
		is_over = true;
		for (unsigned i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		for (unsigned i = 0; i < 2; i++) {
			tn_host_close(vms[i].posix);
			echoed[round] += vms[i].echoed;
			errors += vms[i].errors;
			datagrams += vms[i].datagrams;
		}
	}
	bool ok = echoed[0] > 0 && echoed[1] > 0 && errors == 0 && datagrams > 0;
	printf("%s - two nodes on two VM threads: %llu bytes echoed directly and %llu over a relay, %llu wrong, %llu datagrams\n", ok ? "ok" : "not ok",
	       (unsigned long long)echoed[0], (unsigned long long)echoed[1], (unsigned long long)errors, (unsigned long long)datagrams);
	printf("%d passed, %d failed\n", ok, !ok);
	return ok ? 0 : 1;
}
