// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=8,sockets=1,cores=4,threads=2
 * VM: icount smp=8,sockets=1,cores=2,threads=4
 * VM: icount smp=8,sockets=1,cores=1,threads=8
 *
 * What the width of a core costs: 4 processes for each of its CPUs, pinned to the core, yield all the
 * time; without cookies, with one for all, and with two in turn.  Instructions of all CPUs for a switch.
 * SIZE is the number of CPUs in the core (the three VMs give 2, 4 and 8).
 *
 * Fair: switches are counted by the kernel.  With two cookies the CPUs that are forced idle execute
 * nothing, which makes the figure smaller, not larger: it is a cost of switches, not of lost time.  CPUs take
 * turns here, so what CPUs wait for each other's locks is shown less than on a real machine.
 */
#include "../bench.h"

static void measure(const cpu_set_t *core, int width, int cookies)
{
	static const char * const modes[] = { "off", "1 cookie", "2 cookies" };
	pid_t makers[2], all[128];
	volatile long *go = share(4096);
	struct span span;
	long i, before;
	int kind;

	if (cookies && !core_there()) {
		none("switch", modes[cookies], width, "no core scheduling");
		return;
	}
	for (kind = 0; kind < 2; kind++) {
		makers[kind] = child();
		if (makers[kind])
			continue;
		if (kind < cookies)
			CHECK(core_cookie());
		for (i = kind; i < 4 * width; i += 2) {
			all[i] = child();
			if (all[i])
				continue;
			CHECK(!sched_setaffinity(0, sizeof(*core), core));
			if (cookies == 1 && kind)
				CHECK(!prctl(PR_SCHED_CORE, 3, go[1], 0, 0));
			__atomic_add_fetch(go, 1, __ATOMIC_SEQ_CST);
			for (;;)
				sched_yield();
		}
		for (;;)
			pause();
	}
	go[1] = makers[0];
	while (*go < 4 * width)
		nap(0.001);
	nap(0.004);
	before = switches();
	span = span_begin();
	nap(moment() ? 0.005 : 0.03);
	span_end(&span);
	before = switches() - before;
	if (before > 0)
		span_row(span, "switch", modes[cookies], width, before);
	else
		none("switch", modes[cookies], width, "no switch at all");
	/* Their children die with them. */
	for (kind = 0; kind < 2; kind++)
		end_child(makers[kind]);
	munmap((void *)go, 4096);
}

int main(void)
{
	cpu_set_t core;
	int width = siblings(quiet_cpu(), &core);

	measure(&core, width, 0);
	measure(&core, width, 1);
	measure(&core, width, 2);
	return 0;
}
