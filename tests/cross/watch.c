/*
 * A plugin of QEMU that watches a program on an emulated core: it reports loads and stores at addresses that are no multiple of their size (the
 * RISC-V ESP32s trap on some and are slow on others), and counts instructions of parts of the program (tn_cross.h), in all and for each function.
 *
 *   qemu-riscv32 -plugin watch.so,out=FILE[,memory=off][,count=on] PROGRAM
 *
 * writes to FILE, one a line:
 *
 *   unaligned  ADDRESS-OF-INSTRUCTION  FUNCTION  load|store  SIZE
 *   part       NUMBER  TIMES  INSTRUCTIONS                 between tn_cross_begin and tn_cross_end of that number, in all
 *   function   NUMBER  NAME  INSTRUCTIONS                  of them in that function, without what it calls
 *
 * What is declared here of QEMU's interface is version 1 of it (QEMU 4.2 and later); Debian has no package with its header.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "port/tn_cross.h"

/* ---- QEMU ---- */

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint32_t qemu_plugin_meminfo_t;

struct qemu_info {
	const char *target_name;
	struct {
		int min, cur;
	} version;
	bool system_emulation;
};

enum { CALLBACK_NO_REGISTERS = 0 };
enum { MEMORY_READ_WRITE = 3 };
enum { INLINE_ADD = 0 };

typedef void (*translated_callback)(qemu_plugin_id_t id, struct qemu_plugin_tb *block);
typedef void (*executed_callback)(unsigned cpu, void *data);
typedef void (*memory_callback)(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data);
typedef void (*call_callback)(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                              uint64_t a7, uint64_t a8);
typedef void (*ended_callback)(qemu_plugin_id_t id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translated_callback callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, executed_callback callback, int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *instruction, memory_callback callback, int flags, int access, void *data);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t id, call_callback callback);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, ended_callback callback, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *instruction);
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);

__attribute__((visibility("default"))) extern int qemu_plugin_version;
int qemu_plugin_version = 1;

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv);

/* ---- What is known of the program ---- */

#define FUNCTIONS 4096
#define PLACES 65536

struct function {
	const char *name;
	uint64_t instructions[TN_CROSS_PARTS];
};

/** A run of instructions in one function that are executed together. */
struct run {
	uint32_t length;
	struct function *function;
};

static struct function functions[FUNCTIONS];
static size_t function_count;
static uint64_t reported[PLACES];
static uint64_t times[TN_CROSS_PARTS];
static size_t part; /* that is running; 0: none */
static bool watches_memory = true, counts;
static FILE *out;

static struct function *function_of(const char *name)
{
	if (name == NULL)
		name = "?";
	for (size_t i = 0; i < function_count; i++) {
		if (strcmp(functions[i].name, name) == 0)
			return &functions[i];
	}
	if (function_count == FUNCTIONS)
		return &functions[FUNCTIONS - 1];
	functions[function_count].name = strdup(name);
	return &functions[function_count++];
}

/** Whether an instruction is reported the first time. */
static bool is_new(uint64_t address)
{
	for (size_t i = 0; i < PLACES; i++) {
		uint64_t *place = &reported[(address / 2 + i) % PLACES];
		if (*place == address)
			return false;
		if (*place == 0) {
			*place = address;
			return true;
		}
	}
	return false;
}

struct place {
	uint64_t address;
	const char *function;
};

static void on_memory(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
	unsigned shift = qemu_plugin_mem_size_shift(info);
	(void)cpu;
	if ((address & (((uint64_t)1 << shift) - 1)) == 0)
		return;
	const struct place *place = data;
	if (is_new(place->address))
		fprintf(out, "unaligned %" PRIx64 " %s %s %u\n", place->address, place->function, qemu_plugin_mem_is_store(info) ? "store" : "load", 1u << shift);
}

static void on_run(unsigned cpu, void *data)
{
	const struct run *run = data;
	(void)cpu;
	run->function->instructions[part] += run->length;
}

/** Loads and stores of more than a byte by another register than the stack pointer, which is aligned: the others need no look. RISC-V ISA §2.6 and §16. */
static bool may_be_unaligned(const uint8_t *bytes, size_t size)
{
	enum { LOAD = 0x03, STORE = 0x23, STACK = 2 };
	uint32_t word = (uint32_t)(bytes[0] | bytes[1] << 8);
	if (size == 2)
		return (word & 3) == 0 && (word >> 13 == 2 || word >> 13 == 6);
	word |= (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
	uint32_t opcode = word & 0x7f, width = word >> 12 & 3;
	return (opcode == LOAD || opcode == STORE) && width != 0 && (word >> 15 & 31) != STACK;
}

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
	size_t count = qemu_plugin_tb_n_insns(block);
	(void)id;
	/* A block of QEMU's leaves its function by its last instruction only. */
	struct function *function = function_of(qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(block, 0)));
	if (counts) {
		struct run *run = malloc(sizeof *run);
		run->length = (uint32_t)count;
		run->function = function;
		qemu_plugin_register_vcpu_tb_exec_cb(block, on_run, CALLBACK_NO_REGISTERS, run);
	}
	for (size_t i = 0; i < count; i++) {
		struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
		if (watches_memory && may_be_unaligned(qemu_plugin_insn_data(instruction), qemu_plugin_insn_size(instruction))) {
			struct place *place = malloc(sizeof *place);
			place->address = qemu_plugin_insn_vaddr(instruction);
			place->function = function->name;
			qemu_plugin_register_vcpu_mem_cb(instruction, on_memory, CALLBACK_NO_REGISTERS, MEMORY_READ_WRITE, place);
		}
	}
}

static void on_call(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                    uint64_t a7, uint64_t a8)
{
	(void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
	if (number != TN_CROSS_MARK || a1 >= TN_CROSS_PARTS)
		return;
	part = a1;
	times[part]++;
}

static void on_end(qemu_plugin_id_t id, void *data)
{
	(void)id, (void)data;
	for (size_t i = 1; i < TN_CROSS_PARTS; i++) {
		uint64_t instructions = 0;
		for (size_t k = 0; k < function_count; k++) {
			instructions += functions[k].instructions[i];
			if (functions[k].instructions[i] > 0)
				fprintf(out, "function %zu %s %" PRIu64 "\n", i, functions[k].name, functions[k].instructions[i]);
		}
		if (times[i] > 0)
			fprintf(out, "part %zu %" PRIu64 " %" PRIu64 "\n", i, times[i], instructions);
	}
	fclose(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	out = stderr;
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "memory=off") == 0)
			watches_memory = false;
		else if (strcmp(argv[i], "count=on") == 0)
			counts = true;
		else if (strncmp(argv[i], "out=", 4) == 0)
			out = fopen(argv[i] + 4, "w");
	}
	if (out == NULL)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
	qemu_plugin_register_vcpu_syscall_cb(id, on_call);
	qemu_plugin_register_atexit_cb(id, on_end, NULL);
	return 0;
}
