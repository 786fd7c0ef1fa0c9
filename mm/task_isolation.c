// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: VM statistics.
 *
 * Zone and node counters are kept as small differences on each CPU.  A kernel
 * thread there adds them to the global ones about once a second, started by a
 * shepherd that looks for CPUs with differences, or by a write to
 * /proc/sys/vm/stat_refresh.  Each run takes the CPU from the task on it.
 *
 * A task that quiesces adds them up itself before it returns to user mode, so
 *
 *	user(t, cpu) && quiesces(t, VMSTAT)  =>  all differences of cpu are 0
 *
 * The shepherd and stat_refresh pass such a CPU by: there is nothing to do, and
 * while the task is in a system call, what there is will be done at its end.
 * Where the task does not do it, but blocks ISOL_F_BLOCK_WORK, stat_refresh fails.
 *
 * The thread's timer may still be pending, from before or from a moment when
 * the task slept.  It is removed on the same occasion.
 *
 * Event counters need none of this: readers add them up without the CPU's help.
 */

#include <linux/cpu.h>
#include <linux/mmzone.h>
#include <linux/percpu.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>

#include <asm/unaligned.h>

#include "../kernel/task_isolation.h"

/*
 * Is any byte set?  There are some words of them, and this is asked at each
 * system call of a task that quiesces: with memchr_inv() it is 244 instructions
 * instead of 79, for all of a CPU's.
 */
static __always_inline bool any_set(const void *bytes, size_t size)
{
	const void *last = bytes + size - sizeof(unsigned long);
	unsigned long any = get_unaligned((const unsigned long *)last);

	for (; bytes < last; bytes += sizeof(any))
		any |= get_unaligned((const unsigned long *)bytes);

	return any;
}

#ifdef CONFIG_NUMA
static bool numa_differs(const struct per_cpu_pageset *p)
{
	return any_set(p->vm_numa_stat_diff, sizeof(p->vm_numa_stat_diff));
}
#else
static bool numa_differs(const struct per_cpu_pageset *p)
{
	return false;
}
#endif

static bool this_cpu_differs(void)
{
	struct pglist_data *pgdat;
	struct zone *zone;

	for_each_populated_zone(zone) {
		const struct per_cpu_pageset *p = this_cpu_ptr(zone->pageset);

		if (any_set(p->vm_stat_diff, sizeof(p->vm_stat_diff)) || numa_differs(p))
			return true;
	}

	for_each_online_pgdat(pgdat) {
		const struct per_cpu_nodestat *p = this_cpu_ptr(pgdat->per_cpu_nodestats);

		if (any_set(p->vm_node_stat_diff, sizeof(p->vm_node_stat_diff)))
			return true;
	}

	return false;
}

/**
 * isolation_fold_vmstat - Add this CPU's differences to the global counters
 *
 * Context: on the way to user mode; interrupts off.
 * Return: whether there were any.
 */
bool isolation_fold_vmstat(void)
{
	struct delayed_work *update = this_cpu_ptr(&vmstat_work);

	if (delayed_work_pending(update))
		cancel_delayed_work(update);

	if (!this_cpu_differs())
		return false;

	refresh_cpu_vm_stats(false);

	return true;
}

/**
 * task_isolation_refresh - Run work on each CPU whose task does not do it itself
 * @refresh:	the work
 *
 * Context: may sleep, until the work has been done.
 * Return: 0, or -ENOMEM, or -EBUSY when such a task does not want that either.
 */
int task_isolation_refresh(work_func_t refresh)
{
	struct task_isolation_request request = { };
	struct work_struct __percpu *works;
	cpumask_var_t where;
	int cpu, ret;

	if (!zalloc_cpumask_var(&where, GFP_KERNEL))
		return -ENOMEM;
	works = alloc_percpu(struct work_struct);
	if (!works) {
		free_cpumask_var(where);
		return -ENOMEM;
	}

	get_online_cpus();
	for_each_online_cpu(cpu)
		if (!task_isolation_quiesces(cpu, ISOL_F_QUIESCE_VMSTAT_SYNC))
			cpumask_set_cpu(cpu, where);
	ret = task_isolation_begin(&request, ISOL_F_BLOCK_WORK, where, NULL);
	if (!ret) {
		for_each_cpu(cpu, where) {
			INIT_WORK(per_cpu_ptr(works, cpu), refresh);
			schedule_work_on(cpu, per_cpu_ptr(works, cpu));
		}
		for_each_cpu(cpu, where)
			flush_work(per_cpu_ptr(works, cpu));
		task_isolation_end(&request);
	}
	put_online_cpus();

	free_percpu(works);
	free_cpumask_var(where);

	return ret;
}
