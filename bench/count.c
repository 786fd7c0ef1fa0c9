// SPDX-License-Identifier: GPL-2.0
/*
 * count - a QEMU TCG plugin that counts the instructions of each vCPU.
 *
 *	-plugin count.so,out=FILE[,profile=FILE]
 *
 * Everything that a vCPU executes adds to its counter: user, kernel, interrupt, idle loop; nothing is
 * left out, except the markers themselves.  What a halted vCPU does is nothing, and counts so.
 *
 * Counted are blocks of instructions, as QEMU translates them.  One that is left before its end, by
 * a page fault or an access to a device, counts whole, and again when it is gone on with: some
 * instructions too many for each fault, in every kernel alike.  How often QEMU begins a repeated
 * string instruction is QEMU's choice, too.
 *
 * A marker is an instruction without effect, executed at a user address, with a number of the
 * program's choice in rdi:
 *
 *	xchg %bx,%bx	(66 87 db)	begin
 *	xchg %cx,%cx	(66 87 c9)	end
 *
 * For each, FILE gets one line: B or E, the number (hexadecimal), and the counters of all vCPUs; the
 * difference of two lines is what was executed between them, to the instruction.  With
 * -accel tcg,thread=single all counters stand still meanwhile.  With several threads those of other
 * vCPUs may be a block old.
 *
 * A profile says where: after each E, FILE gets a line `span NUMBER`, then lines of an address and
 * how many instructions any vCPU executed in blocks that begin in the 16 bytes from there: functions
 * begin at such addresses.  User space is one line `user`, whatever is not in the kernel's image
 * `other`.  Profiled spans must not overlap.
 *
 * Why blocks, and one inline operation for each: with thread=single QEMU 10.0 forgets, from the second
 * inline operation of a block on, that it has multiplied the vCPU's number already, and counts at an
 * address of nobody's.  Hence blocks with a marker, which have to be counted one by one, are counted
 * by a call for each instruction.
 *
 * QEMU's package has no header for plugins: what is used of the interface is declared here.  It is
 * version 4, of QEMU 9.2 and newer; whether it still speaks it is checked by QEMU when it loads this.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is used of QEMU's plugin interface */

typedef uint64_t plugin_id;

struct tb;
struct insn;
struct scoreboard;
struct reg;

struct counter {			/* one uint64_t a vCPU */
	struct scoreboard	*board;
	size_t			offset;
};

struct reg_descriptor {
	struct reg		*handle;
	const char		*name;
	const char		*feature;
};

enum { ADD_U64 = 0 };
enum { NO_REGS = 0, READ_REGS = 1 };

/* What comes first in GLib's arrays */
struct array {
	void			*data;
	unsigned int		len;
};

extern struct array *g_byte_array_new(void);
extern void *g_byte_array_free(struct array *array, int free_segment);
extern void *g_array_free(struct array *array, int free_segment);

extern void qemu_plugin_register_vcpu_init_cb(plugin_id id, void (*cb)(plugin_id, unsigned int));
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*cb)(plugin_id, struct tb *));
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct insn *insn,
						   void (*cb)(unsigned int, void *), int flags,
						   void *data);
extern void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct tb *tb, int op,
							      struct counter entry, uint64_t value);
extern size_t qemu_plugin_tb_n_insns(const struct tb *tb);
extern uint64_t qemu_plugin_tb_vaddr(const struct tb *tb);
extern struct insn *qemu_plugin_tb_get_insn(const struct tb *tb, size_t index);
extern size_t qemu_plugin_insn_data(const struct insn *insn, void *data, size_t len);
extern size_t qemu_plugin_insn_size(const struct insn *insn);
extern uint64_t qemu_plugin_insn_vaddr(const struct insn *insn);
extern struct scoreboard *qemu_plugin_scoreboard_new(size_t size);
extern void *qemu_plugin_scoreboard_find(struct scoreboard *board, unsigned int vcpu);
extern uint64_t qemu_plugin_u64_get(struct counter entry, unsigned int vcpu);
extern int qemu_plugin_num_vcpus(void);
extern struct array *qemu_plugin_get_registers(void);
extern int qemu_plugin_read_register(struct reg *handle, struct array *data);

__attribute__((visibility("default"))) int qemu_plugin_version = 4;

/* The plugin */

#define USER_END	(UINT64_C(1) << 47)
#define IMAGE		UINT64_C(0xffffffff81000000)	/* CONFIG_PHYSICAL_START, no KASLR */
#define IMAGE_SIZE	(UINT64_C(16) << 20)		/* of which text, at most */
#define GRAIN		16				/* bytes: the alignment of functions */

/* Slots: without a profile only the first; with one, the image, then these two */
#define USER_SLOT	(IMAGE_SIZE / GRAIN)
#define OTHER_SLOT	(USER_SLOT + 1)

static FILE *out, *profile;
static struct scoreboard *board;		/* slots of each vCPU */
static size_t slots = 1;
static uint64_t *at_begin;			/* with a profile: the slots' sums at the last B */
static struct reg *rdi;				/* the same for all vCPUs */

static struct counter slot(size_t index)
{
	return (struct counter){ board, index * sizeof(uint64_t) };
}

static size_t slot_of(uint64_t address)
{
	if (!profile)
		return 0;
	if (address < USER_END)
		return USER_SLOT;
	if (address - IMAGE < IMAGE_SIZE)
		return (address - IMAGE) / GRAIN;
	return OTHER_SLOT;
}

static uint64_t sum(struct counter counter)
{
	uint64_t total = 0;
	int i;

	for (i = 0; i < qemu_plugin_num_vcpus(); i++)
		total += qemu_plugin_u64_get(counter, i);
	return total;
}

static uint64_t executed(unsigned int vcpu)
{
	uint64_t *counters = qemu_plugin_scoreboard_find(board, vcpu), total = 0;
	size_t i;

	for (i = 0; i < slots; i++)
		total += counters[i];
	return total;
}

static uint64_t number(void)
{
	struct array *bytes = g_byte_array_new();
	uint64_t value = 0;

	if (rdi && qemu_plugin_read_register(rdi, bytes) >= (int)sizeof(value))
		memcpy(&value, bytes->data, sizeof(value));
	g_byte_array_free(bytes, true);
	return value;
}

static void write_line(char what, uint64_t id)
{
	int i;

	fprintf(out, "%c %" PRIx64, what, id);
	for (i = 0; i < qemu_plugin_num_vcpus(); i++)
		fprintf(out, " %" PRIu64, executed(i));
	fprintf(out, "\n");
	fflush(out);
}

static void begin(unsigned int vcpu, void *data)
{
	size_t i;

	for (i = 0; profile && i < slots; i++)
		at_begin[i] = sum(slot(i));
	write_line('B', number());
}

static void end(unsigned int vcpu, void *data)
{
	uint64_t id = number();
	size_t i;

	write_line('E', id);
	if (!profile)
		return;
	fprintf(profile, "span %" PRIx64 "\n", id);
	for (i = 0; i < slots; i++) {
		uint64_t count = sum(slot(i)) - at_begin[i];

		if (!count)
			continue;
		if (i == USER_SLOT)
			fprintf(profile, "user %" PRIu64 "\n", count);
		else if (i == OTHER_SLOT)
			fprintf(profile, "other %" PRIu64 "\n", count);
		else
			fprintf(profile, "%" PRIx64 " %" PRIu64 "\n", IMAGE + i * GRAIN, count);
	}
	fflush(profile);
}

static void one(unsigned int vcpu, void *data)
{
	uint64_t *counters = qemu_plugin_scoreboard_find(board, vcpu);

	counters[(size_t)data]++;
}

enum mark { NOTHING, BEGIN, END };

static enum mark mark(const struct insn *insn)
{
	unsigned char code[3];

	if (qemu_plugin_insn_vaddr(insn) >= USER_END || qemu_plugin_insn_size(insn) != sizeof(code))
		return NOTHING;
	qemu_plugin_insn_data(insn, code, sizeof(code));
	if (code[0] != 0x66 || code[1] != 0x87)
		return NOTHING;
	return code[2] == 0xdb ? BEGIN : code[2] == 0xc9 ? END : NOTHING;
}

static void translate(plugin_id id, struct tb *tb)
{
	size_t i, count = qemu_plugin_tb_n_insns(tb);
	size_t place = slot_of(qemu_plugin_tb_vaddr(tb));
	bool marked = false;

	for (i = 0; i < count; i++)
		marked |= mark(qemu_plugin_tb_get_insn(tb, i)) != NOTHING;
	if (!marked) {
		qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, ADD_U64, slot(place), count);
		return;
	}
	for (i = 0; i < count; i++) {
		struct insn *insn = qemu_plugin_tb_get_insn(tb, i);

		switch (mark(insn)) {
		case BEGIN:
			qemu_plugin_register_vcpu_insn_exec_cb(insn, begin, READ_REGS, NULL);
			break;
		case END:
			qemu_plugin_register_vcpu_insn_exec_cb(insn, end, READ_REGS, NULL);
			break;
		case NOTHING:
			qemu_plugin_register_vcpu_insn_exec_cb(insn, one, NO_REGS, (void *)place);
		}
	}
}

/* Registers can be looked up on a vCPU only. */
static void init_vcpu(plugin_id id, unsigned int vcpu)
{
	struct array *list = qemu_plugin_get_registers();
	struct reg_descriptor *all = list->data;
	unsigned int i;

	for (i = 0; i < list->len; i++)
		if (!strcmp(all[i].name, "rdi"))
			rdi = all[i].handle;
	g_array_free(list, true);
}

static FILE *create(const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		fprintf(stderr, "count: cannot write %s\n", path);
	return file;
}

__attribute__((visibility("default")))
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4)) {
			out = create(argv[i] + 4);
		} else if (!strncmp(argv[i], "profile=", 8)) {
			profile = create(argv[i] + 8);
			if (!profile)
				return -1;
		} else {
			fprintf(stderr, "count: unknown argument %s\n", argv[i]);
			return -1;
		}
	}
	if (!out) {
		fprintf(stderr, "count: out=FILE is missing\n");
		return -1;
	}
	if (profile) {
		slots = OTHER_SLOT + 1;
		at_begin = calloc(slots, sizeof(*at_begin));
		if (!at_begin)
			return -1;
	}
	board = qemu_plugin_scoreboard_new(slots * sizeof(uint64_t));
	qemu_plugin_register_vcpu_init_cb(id, init_vcpu);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}
